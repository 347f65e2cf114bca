"""Who gets a place where they are few: the one that asks, from wherever it comes."""

import pytest

from pgbackstop_catalog.connection_places import Place, Places, source


def crowd(places: Places, whose: str, count: int, ended: list[int]) -> list[Place]:
    """That many connections of one address; ``ended`` hears of each that had to go."""
    found = []
    for number in range(count):
        place = Place(whose, lambda number=number: ended.append(number))  # type: ignore[misc]
        assert places.take(place)
        found.append(place)
    return found


def test_one_address_has_a_quarter_and_its_oldest_goes_first() -> None:
    ended: list[int] = []
    places = Places(16, share=4)
    crowd(places, "a", 6, ended)
    assert ended == [0, 1]
    assert len(places) == 4


def test_who_has_asked_stays_longer_and_who_is_answered_stays() -> None:
    ended: list[int] = []
    places = Places(16, share=4)
    busy, asked, _, _ = crowd(places, "a", 4, ended)
    busy.is_busy, asked.has_asked = True, True
    assert all(places.take(Place("a", list)) for _ in range(2))
    assert ended == [2, 3]


def test_where_all_are_answered_a_new_one_waits_outside() -> None:
    places = Places(16, share=4)
    for place in crowd(places, "a", 4, []):
        place.is_busy = True
    assert not places.take(Place("a", list))
    assert places.take(Place("b", list))


def test_many_addresses_make_room_for_another() -> None:
    ended: list[int] = []
    places = Places(16, share=4)
    for whose in ("a", "b", "c", "d"):
        crowd(places, whose, 4, ended)
    assert ended == []
    assert places.take(Place("e", list))
    assert len(ended) == 1
    assert len(places) == 16


def test_what_is_given_back_is_free() -> None:
    places = Places(4, share=4)
    (place,) = crowd(places, "a", 1, [])
    places.give_back(place)
    places.give_back(place)
    assert len(places) == 0


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_whose_places_a_connection_takes(host: str, whose: str) -> None:
    assert source(host) == whose
