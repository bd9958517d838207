"""Croissant metadata: the columns of a data set, the sha256 of every shard, and the sources.

Rendered from `build.json` and the manifest alone, as the card is.  Format: MLCommons Croissant 1.0.
"""

import json
from typing import Any

from avbuild import __version__
from avbuild.dataset.build_record import DEFAULT_GROUP, BuildRecord
from avbuild.dataset.scenario_record import ScenarioRecord
from avbuild.escaping import visible
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN, Manifest

FILE_NAME = "croissant.json"
GROUPS = {DEFAULT_GROUP: "recording the clip was cut from", "actor": "actor in the clip"}
GROUP_PROMISE = "never in two splits, unless the split is leaky"

# the standard @context of Croissant 1.0, and prov for provenance
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def render_croissant(build: BuildRecord, manifest: Manifest) -> str:
    """Return the JSON-LD of a data set; the same build always gives the same bytes."""
    sources = [
        {"@type": "prov:Entity", "sc:name": s.name, "sc:license": s.licence, "sc:sha256": s.sha256}
        | ({"@id": s.homepage} if s.homepage else {})
        for s in build.sources
    ]
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": build.name,
        **({"datePublished": build.date_published} if build.date_published else {}),
        "description": f"{_title(build)}: {build.rows_noun} in {len(build.classes)} "
        f"classes, clean and corrupted. Classes in order of their index: {', '.join(build.classes)}. "
        f"Split: {build.split}",
        "version": f"{__version__}+{build.job[:12]}",
        "license": [f"{s.name}: {s.licence}" for s in build.sources],
        "url": next((s.homepage for s in build.sources if s.homepage), "https://github.com/"),
        "citeAs": " ".join(dict.fromkeys(s.citation for s in build.sources if s.citation)),
        "prov:wasDerivedFrom": sources,
        "distribution": [entry for name, record in build.scenarios.items() for entry in _files(name, record)],
        "recordSet": [_records(name, build, manifest) for name in build.scenarios],
    }
    return visible(json.dumps(document, indent=1, ensure_ascii=False), keep="\n") + "\n"


def _title(build: BuildRecord) -> str:
    return f"{build.title}. {build.description.rstrip('.')}" if build.description else build.title


def _files(scenario: str, record: ScenarioRecord) -> list[dict[str, Any]]:
    """Return every shard with its hash, and the set of all shards; a corrupted shard names its clean shard."""
    shards: list[dict[str, Any]] = []
    for split in record.splits.values():
        for shard in split.shards:
            entry: dict[str, Any] = {
                "@type": "cr:FileObject",
                "@id": shard.file,
                "name": shard.file,
                "contentUrl": shard.file,
                "contentSize": f"{shard.bytes} B",
                "encodingFormat": "application/x-parquet",
                "sha256": shard.sha256,
            }
            if scenario != CLEAN:
                entry["prov:wasDerivedFrom"] = {"@id": f"{CLEAN}/{shard.file.split('/', 1)[1]}"}
            shards.append(entry)
    file_set = {
        "@type": "cr:FileSet",
        "@id": f"shards-of-{scenario}",
        "name": f"shards-of-{scenario}",
        "encodingFormat": "application/x-parquet",
        "includes": f"{scenario}/*.parquet",
    }
    return [*shards, file_set]


def _records(scenario: str, build: BuildRecord, manifest: Manifest) -> dict[str, Any]:
    plan = manifest.scenarios[scenario].as_yaml() or "clean"
    return {
        "@type": "cr:RecordSet",
        "@id": scenario,
        "name": scenario,
        "description": f"scenario {scenario}: {json.dumps(plan, ensure_ascii=False)}",
        "key": {"@id": f"{scenario}/id"},
        "field": [_field(scenario, column, kind, text) for column, (kind, text) in _fields(build).items()],
    }


def _fields(build: BuildRecord) -> dict[str, tuple[str, str]]:
    """Return the Croissant type and the description of every column."""
    records = [MODALITIES[modality] for modality in build.modalities]
    return {
        "id": ("sc:Text", "id of the sample, the same in every scenario"),
        **{record.name: (record.croissant_type, record.description) for record in records},
        "label": ("sc:Integer", "class index"),
        "group": ("sc:Text", f"{GROUPS.get(build.group_name, build.group_name)}; {GROUP_PROMISE}"),
        "fold": ("sc:Integer", "the publisher's fold, 0 where there is none"),
        **{f"{record.name}_missing": ("sc:Boolean", f"whether the {record.noun} is missing") for record in records},
        "corruption": ("sc:Text", "JSON: the ops applied to this sample, with all that is needed to re-create it"),
    }


def _field(scenario: str, column: str, kind: str, text: str) -> dict[str, Any]:
    extract: dict[str, Any] = {"column": column}
    source = {"fileSet": {"@id": f"shards-of-{scenario}"}, "extract": extract}
    record = MODALITIES.get(column)
    repeated = {"repeated": True} if record and record.framewise else {}
    if record and not record.plain:
        source["transform"] = {"jsonPath": "[*].bytes" if repeated else "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"{scenario}/{column}",
        "name": column,
        "description": text,
        "dataType": kind,
        **repeated,
        "source": source,
    }
