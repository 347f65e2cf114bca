"""The one reader of YAML: no file keeps it for long, fills the memory, or ends in a traceback.

Its problems name file, line and key. It does not import the model, which takes longer than a list may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.text import bounded

MOST_BYTES: Final = 10**6
# A configuration is seven deep. libyaml's composer recurses in C: some thousands end the process.
MOST_LEVELS: Final = 50
# With aliases written out.
MOST_NODES: Final = 200_000

# Any: the C loader exists only where libyaml does. Both are PyYAML's safe ones.
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the file."""

    file: Path
    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {bounded(self.key, 200)}: {bounded(self.problem, 1000)}"


class BadConfig(errors.ConfigError):
    """All problems of a file, one a line."""

    most_letters = 100_000

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Document:
    """The content of a file; ``node`` knows the lines, ``problems`` are keys that stand there twice."""

    file: Path
    value: Any
    node: yaml.Node | None
    problems: tuple[Problem, ...]

    def problem(self, loc: tuple[str, ...], text: str, *, key: str = "") -> Problem:
        """A problem of what stands at ``loc``."""
        return Problem(
            file=self.file, line=line_of(self.node, loc), key=key or ".".join(loc) or "(file)", problem=text
        )


def read(file: Path, *, what: str, remedy: str) -> Document:
    """The document of a file; ``what`` is the file in a sentence.

    Raises BadConfig where it is no YAML of ours, ConfigError where it cannot be read.
    """
    text = _text_of(file, what, remedy)
    try:
        _check(file, text)
        return _document(file, text)
    except yaml.YAMLError as error:
        raise _refusal(file, *_of_yaml(error)) from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        # Of PyYAML, whose constructors let through what int(), date() and dict say.
        raise _refusal(file, 1, "cannot be read as YAML; mend the syntax") from error


def line_of(node: yaml.Node | None, loc: tuple[str, ...]) -> int:
    """The line of the key at ``loc``, or of the nearest one above it that is there."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if str(key.value) == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _text_of(file: Path, what: str, remedy: str) -> str:
    try:
        return regular_file.read(file, MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise errors.ConfigError(f"{what} {file} cannot be read: {reason}.", remedy=remedy) from error


def _document(file: Path, text: str) -> Document:
    loader: Any = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        problems = tuple(_duplicates(file, node))
        value = None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()
    return Document(file=file, value=value, node=node, problems=problems)


class _Loader(_SAFE):  # type: ignore[misc] # of either base
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The node's value; whatever its constructor says against it, the error has the line."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            kind = str(node.tag).rpartition(":")[2]
            what = f"is read as {kind} and is none; quote it"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error


def _of_yaml(error: yaml.YAMLError) -> tuple[int, str]:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "cannot be parsed"
    return (mark.line + 1 if mark else 1), f"{what}; mend the syntax here or just above"


def _refusal(file: Path, line: int, what: str) -> BadConfig:
    return BadConfig([Problem(file=file, line=line, key="(YAML)", problem=what)])


def _duplicates(file: Path, node: yaml.Node | None, loc: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Keys that stand in one mapping twice; YAML's readers keep the last without a word."""
    if isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _duplicates(file, each, (*loc, str(number)))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            place, text = ".".join((*loc, name)), "stands here a second time; keep one"
            yield Problem(file=file, line=key.start_mark.line + 1, key=place, problem=text)
        seen.add(name)
        yield from _duplicates(file, value, (*loc, name))


def _check(file: Path, text: str) -> None:
    """Look at the events before a node is made of them: they cost no more than the text.

    Raises BadConfig for what is nested too deep, for aliases that multiply or go in a circle, for NUL.
    """
    extent = _Extent()
    for event in yaml.parse(text, Loader=_SAFE):
        problem = extent.add(event)
        if problem:
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            raise _refusal(file, line, problem)


@dataclass
class _Part:
    """A node, with all that its aliases stand for: how many nodes, how many levels below it."""

    anchor: str | None = None
    nodes: int = 1
    levels: int = 0


class _Extent:
    """The size of a document with its aliases written out."""

    def __init__(self) -> None:
        self._open = [_Part()]
        self._anchored: dict[str, _Part] = {}
        self._nodes = 0

    def add(self, event: yaml.Event) -> str:
        """Return what is wrong with the document for certain after one more event; "" when nothing is."""
        if isinstance(event, yaml.ScalarEvent):
            self._end(_Part(anchor=event.anchor))
            return "a text with a NUL is no name, path or word; leave it out" if "\0" in event.value else ""
        if isinstance(event, yaml.AliasEvent):
            known = self._anchored.get(event.anchor or "")
            if known is None:
                return f"the alias *{event.anchor} stands for nothing that ends before it; write it out"
            self._end(_Part(nodes=known.nodes, levels=known.levels))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._anchored.pop(event.anchor or "", None)
            self._open.append(_Part(anchor=event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._nodes -= self._open[-1].nodes - 1  # they were counted when they ended
            self._end(self._open.pop())
        return self._too_much()

    def _end(self, part: _Part) -> None:
        self._nodes += part.nodes
        parent = self._open[-1]
        parent.nodes += part.nodes
        parent.levels = max(parent.levels, part.levels + 1)
        if part.anchor is not None:
            self._anchored[part.anchor] = part

    def _too_much(self) -> str:
        if len(self._open) + self._open[-1].levels > MOST_LEVELS:
            return f"is nested deeper than {MOST_LEVELS} levels; no key of ours is"
        if self._nodes > MOST_NODES:
            return "stands for too much, aliases written out; write only what is meant"
        return ""
