"""The manifest of a model package: its fields, its seal, and how older versions are read.

**Migration rule.** A published `manifest-N.schema.json` never changes. Whoever changes the fields
raises `SCHEMA`, writes the next schema file, and adds to `MIGRATIONS` what turns a document of the
version before into one of the new. A document is migrated in memory after its seal was checked,
and never written back; what decides a network's results (`Manifest.identity`) stays the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue, ValidationError

from hpc.errors import StateError
from hpc.record import Record, explain
from ptychopinn_batch.provenance import Provenance

SCHEMA = 1
WEIGHTS = "model.pth"
MANIFEST = "manifest.json"
RENEW = "Get the package again, or submit the run that made it again"

Document: TypeAlias = dict[str, Any]
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MIGRATIONS: dict[int, Callable[[Document], Document]] = {}
"""By version: from a document of that version to one of the next."""


class PackedFile(Record):
    """A file of a package. size [bytes]."""

    sha256: Sha256
    size: int = Field(ge=0)


class Training(Record):
    """How weights came about.

    train: the `train` section of the job spec, as the version that trained knew it; start: identity
    of the package they started from; data: ids of the scan stores seen.
    """

    train: dict[str, JsonValue] | None
    start: str | None
    data: tuple[str, ...]


class Manifest(Record):
    """`manifest.json`. `digest` is the hash of all other fields: no byte here changes unnoticed.

    Statistics a network normalises by are buffers among its weights, not fields.
    """

    schema_version: Literal[1] = 1
    name: str
    architecture: str
    settings: dict[str, JsonValue]
    seed: int
    training: Training
    metrics: dict[str, float]
    provenance: Provenance
    files: dict[FileName, PackedFile] = Field(min_length=1)
    digest: str = ""

    def sealed(self) -> Manifest:
        """This manifest with its digest: how a new one is finished."""
        return self.model_copy(update={"digest": digest_of(self.model_dump(mode="json"))})

    @property
    def identity(self) -> str:
        """Hash of what decides the network's results: architecture, settings and weights."""
        weights = self.files[WEIGHTS].sha256
        return _sha256(
            {"architecture": self.architecture, "settings": self.settings, "weights": weights}
        )


def parse_manifest(path: Path) -> Manifest:
    """The manifest in a file, migrated; StateError where it is damaged, unsealed or too new."""
    document = _document(path)
    version = document.get("schema_version")
    if type(version) is not int or not min(MIGRATIONS, default=SCHEMA) <= version <= SCHEMA:
        what = f"this manifest has schema version {version!r}, this program knows {SCHEMA}"
        mend = "Read it with the version of this program that wrote it, or a newer one"
        raise StateError(what, where=str(path), mend=mend)
    if document.get("digest") != digest_of(document):
        raise StateError("this manifest was changed by hand", where=str(path), mend=RENEW)
    try:
        manifest = Manifest.model_validate_json(json.dumps(migrated(document)))
    except ValidationError as error:
        what = f"this file is not a valid Manifest ({explain(error)})"
        raise StateError(what, where=str(path), mend=RENEW) from error
    if WEIGHTS not in manifest.files:
        raise StateError(f"this manifest names no {WEIGHTS}", where=str(path), mend=RENEW)
    return manifest


def migrated(document: Document) -> Document:
    """A document of an older version as one of `SCHEMA`; its digest stays that of the file."""
    while (version := document["schema_version"]) < SCHEMA:
        document = {**MIGRATIONS[version](document), "schema_version": version + 1}
    return document


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a manifest without its digest, whatever version wrote it."""
    return _sha256({key: value for key, value in document.items() if key != "digest"})


def schema_file(version: int = SCHEMA) -> Path:
    """The JSON Schema of a version of the manifest."""
    return Path(__file__).with_name(f"manifest-{version}.schema.json")


def manifest_schema() -> Document:
    """The JSON Schema of `SCHEMA`, as its file must hold it."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**dialect, **Manifest.model_json_schema()}


def _document(path: Path) -> Document:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StateError("this file is missing", where=str(path), mend=RENEW) from None
    except (ValueError, RecursionError) as error:
        what = f"this file is not a valid Manifest ({error})"
        raise StateError(what, where=str(path), mend=RENEW) from None
    if not isinstance(document, dict):
        raise StateError("this file is not a valid Manifest", where=str(path), mend=RENEW)
    return document


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
