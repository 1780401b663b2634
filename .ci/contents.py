"""Check what is in the wheel and in the source distribution: python contents.py WHEEL SDIST TREE."""

import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

EXTRAS = {
    "audio", "bench", "dask", "demo", "dev", "docs", "jax", "keras", "lint", "onnx", "sklearn", "test", "torch", "training", "xarray",
}  # fmt: skip


def wheel_problems(names, metadata, tree):
    """What is wrong with a wheel of these files.

    All of the package must be there and nothing else; its own benches, which `sigrnn bench` runs, are part of it.
    """
    info = f"sigrnn-{metadata['Version']}.dist-info/"
    ours = {name for name in names if not name.startswith(info)}
    wanted = {
        path.relative_to(tree).as_posix() for path in (tree / "sigrnn").rglob("*") if path.suffix in (".py", ".typed")
    }
    yield from (f"the wheel lacks {name}" for name in sorted(wanted - ours))
    yield from (f"the wheel has {name}" for name in sorted(ours - wanted))
    if "sigrnn/py.typed" not in ours:
        yield "the wheel lacks sigrnn/py.typed"
    if not any(name.startswith(info) and name.endswith("/LICENSE") for name in names):
        yield "the wheel lacks the licence"


def metadata_problems(metadata, tree):
    """What is wrong with the metadata."""
    for field in ("Summary", "Author", "Keywords", "Requires-Python", "Description-Content-Type"):
        if not metadata[field]:
            yield f"no {field}"
    if "BSD-3-Clause" not in (metadata["License-Expression"], metadata["License"]):
        yield "the licence is not BSD-3-Clause"
    if found := set(metadata.get_all("Provides-Extra", [])) ^ EXTRAS:
        yield f"extras that are here or there only: {sorted(found)}"
    documented = (tree / "docs" / "install.md").read_text("utf-8")
    yield from (
        f"docs/install.md has no row for {extra}" for extra in sorted(EXTRAS) if f"| `{extra}` |" not in documented
    )
    needed = {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    if {line.split(">")[0] for line in needed} != {"numba", "numpy", "scipy"}:
        yield f"needed at run time: {sorted(needed)}"
    for name in ("CITATION.cff", "conda/recipe.yaml"):
        if f"version: {metadata['Version']}\n" not in (tree / name).read_text("utf-8"):
            yield f"{name} is not about version {metadata['Version']}"


def source_problems(names, tree):
    """What is wrong with a source distribution of these files: it must have all that git has but git's own."""
    inside = {name.partition("/")[2] for name in names}
    wanted = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    left_out = {name for name in wanted if name == ".gitignore" or ".egg-info/" in name}
    yield from (f"the source distribution lacks {name}" for name in sorted(wanted - left_out - inside))


def main(wheel, source, tree):
    tree = Path(tree)
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = [name for name in archive.namelist() if not name.endswith("/")]
        metadata = message_from_string(
            archive.read(next(name for name in in_wheel if name.endswith("dist-info/METADATA"))).decode()
        )
    with tarfile.open(source) as archive:
        in_source = [member.name for member in archive if member.isfile()]
    problems = [
        *wheel_problems(in_wheel, metadata, tree),
        *metadata_problems(metadata, tree),
        *source_problems(in_source, tree),
    ]
    print(f"{Path(wheel).name}: {len(in_wheel)} files; {Path(source).name}: {len(in_source)} files")
    for problem in problems:
        print(f"contents: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
