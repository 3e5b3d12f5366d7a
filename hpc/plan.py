"""What of a run's work is to be done, and why. Pure: values in, decisions out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from hpc.ledger import TaskState
from hpc.record import Record
from hpc.task import Task

__all__ = ["Action", "Decision", "check_graph", "decide", "differences", "left_alone"]

Action = Literal["run", "skip", "wait"]

MOST_CHANGES = 6
LONGEST_VALUE = 40

# Hashes change whenever what they stand for does: worth a word only where nothing else says why.
_DIGEST = re.compile(r'"[^"]*[0-9a-f]{16,}"')


class Decision(Record):
    """What happens to one task: `wait` means that it runs already, or that nobody can tell."""

    task: Task
    action: Action
    reason: str


def decide(
    tasks: Sequence[Task],
    states: Mapping[str, TaskState],
    previous: Mapping[str, Task],
    missing: Mapping[str, str],
) -> tuple[Decision, ...]:
    """A decision for every task, in their order; needs stand before their tasks.

    `states` are the settled states, `previous` the tasks as they were when last submitted,
    `missing` an output of each done task that has lost one; a task in none of them is new.

    A loss is made good where it matters: of a final result, which no task needs, and of what a
    task needs that is not over. The same key means the same content: what was made from it stays.
    """
    used = {need for task in tasks for need in task.needs}
    needed: set[str] = set()
    decisions: list[Decision] = []
    for task in reversed(tasks):  # so that those that need a task are decided on before it
        decision = _decide(task, states.get(task.id), previous.get(task.id))
        if decision.action == "skip" and task.id in missing:
            matters = task.id in needed or task.id not in used
            decision = _lost(task, missing[task.id], matters)
        if decision.action != "skip":
            needed.update(task.needs)
        decisions.append(decision)
    return tuple(reversed(decisions))


def check_graph(tasks: Sequence[Task]) -> None:
    """Raise ValueError unless ids are unique and every need stands before its task."""
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise ValueError(f"two tasks are named {task.id!r}")
        missing = [need for need in task.needs if need not in seen]
        if missing:
            raise ValueError(f"task {task.id!r} needs {missing}, not listed before it")
        seen.add(task.id)


def left_alone(decision: Decision) -> Decision:
    """The decision on a task that nobody asks for now."""
    if decision.action != "run":
        return decision
    return decision.model_copy(update={"action": "skip", "reason": "left as it is"})


def differences(before: Task, task: Task) -> list[str]:
    """What changed between two versions of a task, most telling first, one phrase each."""
    fields = list(_changes(dict(before.params), dict(task.params), ""))
    told = [text for text, digest in fields if not digest]
    hashes = [text for text, digest in fields if digest]
    code = [
        f"{name} {old} -> {new}"
        for name, old, new in (
            ("entry", before.entry, task.entry),
            ("code revision", before.revision, task.revision),
            ("image", _short(before.image), _short(task.image)),
        )
        if old != new
    ]
    return (told + code + _changed_needs(before, task)) or hashes


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "(none)"


def _decide(task: Task, state: TaskState | None, before: Task | None) -> Decision:
    if state is None:
        return Decision(task=task, action="run", reason="new")
    if state.status == "running":
        other = "" if state.key == task.key else ", with other settings"
        return Decision(task=task, action="wait", reason=f"running ({state.process}{other})")
    if state.status == "unknown":
        return Decision(task=task, action="wait", reason=f"unknown: {state.cause}")
    if state.batch and state.status in ("queued", "requeued") and state.key == task.key:
        return Decision(task=task, action="wait", reason=phrase(state))
    if state.done_key == task.key:
        return Decision(task=task, action="skip", reason="done")
    return Decision(task=task, action="run", reason=_why(task, state, before))


def _lost(task: Task, output: str, matters: bool) -> Decision:
    """About a task that is done, but whose output is gone."""
    if matters:
        return Decision(task=task, action="run", reason=f"missing: {output}")
    return Decision(task=task, action="skip", reason=f"done; nothing needs {output}, now removed")


def _why(task: Task, state: TaskState, before: Task | None) -> str:
    """Why a task that is not done is not done."""
    if state.attempt and before is not None and before.key != task.key:
        return _shortened(differences(before, task))
    if state.key is not None and state.key != task.key and before is not None:
        return _shortened(differences(before, task))
    if state.status == "pending":
        return "queued before, not started" if state.attempt else "new"
    if state.status == "done":
        return "changed"
    return phrase(state)


def phrase(state: TaskState) -> str:
    """The status of a task with its cause, as one says it."""
    words = state.status.replace("_", " ")
    if state.cause is None or state.cause.startswith(words):
        return state.cause or words
    return f"{words} {state.cause}" if state.status == "cancelled" else f"{words}: {state.cause}"


def _shortened(changes: Sequence[str]) -> str:
    if not changes:
        return "changed"
    more = len(changes) - MOST_CHANGES
    shown = [*changes[:MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])]
    return "changed: " + ", ".join(shown)


def _changes(old: JsonValue, new: JsonValue, path: str) -> Iterator[tuple[str, bool]]:
    """Each leaf that differs as `path old -> new`, and whether it is but a hash."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            at = f"{path}.{name}" if path else name
            if name in old and name in new:
                yield from _changes(old[name], new[name], at)
            else:
                yield f"{at} {_of(old, name)} -> {_of(new, name)}", False
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _changes(a, b, f"{path}.{index}")
    elif old != new:
        digest = all(_DIGEST.fullmatch(json.dumps(value)) for value in (old, new))
        yield f"{path} {_shown(old)} -> {_shown(new)}", digest


def _of(values: Mapping[str, JsonValue], name: str) -> str:
    return _shown(values[name]) if name in values else "(absent)"


def _shown(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _changed_needs(before: Task, task: Task) -> list[str]:
    old = dict(zip(before.needs, before.need_keys, strict=False))
    new = dict(zip(task.needs, task.need_keys, strict=False))
    phrases = {
        "needs changed": [need for need in new if need in old and old[need] != new[need]],
        "needs added": [need for need in new if need not in old],
        "needs removed": [need for need in old if need not in new],
    }
    return [f"{words}: {', '.join(needs)}" for words, needs in phrases.items() if needs]
