"""The reference of what is seen in each state: a sentence and a picture of each, and of no other."""

import pytest

from tests.dashboards.pictures import reference
from tests.dashboards.pictures.states import STATES, State

# What a person on call may meet, by the specification.
WANTED = {
    "all-well",
    "daemon-dead-and-late",
    "failed",
    "never",
    "stuck",
    "paused",
    "postgresql-down",
    "exporter-down",
    "rules-missing",
    "disk-low",
    "new-installation",
    "fleet-of-53",
    "plan-with-30-databases",
    "phone",
    "light",
}


def test_no_state_is_forgotten() -> None:
    assert {state.name for state in STATES} >= WANTED


def test_the_page_is_that_of_the_states() -> None:
    found = reference.PAGE.read_text()
    assert found == reference.text(), "run: python -m tests.dashboards.pictures.reference"


def test_each_state_has_a_picture_and_no_picture_is_of_another() -> None:
    assert {path.name for path in reference.FOLDER.iterdir()} == {f"{state.name}.png" for state in STATES}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_state_is_told_in_one_sentence_and_read_from_its_page(state: State) -> None:
    assert state.sees.endswith(".")
    assert ". " not in state.sees
    assert state.says, "a picture that nobody reads may say anything"
    width, height = _size((reference.FOLDER / f"{state.name}.png").read_bytes())
    assert width == state.width
    assert height > state.width / 4


def _size(content: bytes) -> tuple[int, int]:
    """Of a PNG, whose first chunk begins with it."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
