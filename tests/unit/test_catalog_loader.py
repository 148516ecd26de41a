"""Reading template files: what loads, what is refused, and in which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamspace_hub.catalog import Catalog, UnknownApp, load_catalog
from streamspace_hub.catalog.document import MAX_BYTES, DocumentError, read_document
from streamspace_hub.catalog.loader import BUILTIN_APPS
from streamspace_hub.model import AppTemplate, MemorySleep

BUILT_IN = {path.stem for path in BUILTIN_APPS.glob("*.yaml")}
GOOD = "name: paint\ntitle: Paint\ncommand: [paint]\n"


def load(folder: Path, **files: str | bytes) -> Catalog:
    """Write `files` (name without `.yaml`) into `folder`, and load it."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / f"{name}.yaml").write_bytes(data)
    return load_catalog([folder])


def problems(catalog: Catalog) -> list[str]:
    """Return the problems as text, with the file's name in place of its path."""
    return [str(problem).replace(f"{problem.file.parent}/", "") for problem in catalog.problems]


def test_the_built_in_apps_load_without_a_problem() -> None:
    catalog = load_catalog()
    assert catalog.problems == ()
    assert set(catalog.apps) == BUILT_IN
    for entry in catalog.apps.values():
        assert entry.template.packages
        assert entry.template.description.endswith(".")
        assert 'viewBox="0 0 64 64"' in entry.icon_svg
        assert "<text" not in entry.icon_svg  # drawn, and not the letter of a missing icon
        assert AppTemplate.model_validate_json(entry.template.model_dump_json()) == entry.template


def test_apps_stand_in_the_order_of_the_launcher() -> None:
    titles = [entry.template.title for entry in load_catalog().apps.values()]
    assert titles[:4] == ["Desktop", "Blender", "GIMP", "Inkscape"]


def test_a_folder_adds_apps(tmp_path: Path) -> None:
    catalog = load(tmp_path, a=GOOD)
    assert catalog.problems == ()
    assert set(catalog.apps) == BUILT_IN | {"paint"}
    assert catalog.get("paint").source == tmp_path / "a.yaml"
    assert catalog.get("paint").icon_svg.count(">P</text>") == 1


def test_yes_and_no_are_words(tmp_path: Path) -> None:
    catalog = load(tmp_path, a=f"{GOOD}sleep: {{memory: no}}\nenvironment: {{ANSWER: yes, PORT: '080'}}\n")
    assert catalog.problems == ()
    template = catalog.get("paint").template
    assert template.sleep.memory is MemorySleep.NO
    assert template.environment == {"ANSWER": "yes", "PORT": "080"}


def test_all_errors_of_a_file_are_told_with_line_field_and_accepted_values(tmp_path: Path) -> None:
    text = """\
name: Paint Box
titel: Paint
categories:
  - Graphics
  - Grafics
command: paint
resources:
  gpu:
    count: many
  mem_limit: 4GB
window_mode: window
environment:
  JUPYTERHUB_API_TOKEN: x
  9LIVES: y
policy: {max_fps: 500}
"""
    catalog = load(tmp_path, a=text, b=GOOD)
    assert "paint" in catalog.apps
    assert problems(catalog) == [
        "a.yaml:1: name: `Paint Box` is not accepted; use lower-case letters, digits and single hyphens, "
        "beginning with a letter, e.g. `text-editor`.",
        "a.yaml:1: title: is missing, and has no default; add it.",
        "a.yaml:5: categories[1]: `Grafics` is not accepted; use one of: Desktop, Graphics, Office, Internet, "
        "Science, Development, System, Education, Other.",
        "a.yaml:6: command: must be a list, e.g. `[a, b]`, not `paint`.",
        "a.yaml:14: environment.9LIVES: `9LIVES` is not accepted; use the name of an environment variable: letters, "
        "digits and `_`, not beginning with a digit.",
        "a.yaml:11: window_mode: `window` is not accepted; use one of: app, desktop.",
        "a.yaml:10: resources.mem_limit: `4GB` is not accepted; use a number with one of the units K, M, G, T, e.g. "
        "`512M` or `1.5G`.",
        "a.yaml:9: resources.gpu.count: must be a whole number, not `many`.",
        "a.yaml:15: policy.max_fps: must be at most 120, not `500`.",
        "a.yaml:2: titel: there is no such field; did you mean `title`? Accepted here: "
        + ", ".join(AppTemplate.model_fields)
        + ".",
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("environment: {STREAMSPACE_SESSION: x}", "4: environment: STREAMSPACE_SESSION is reserved"),
        ("mime_types: [image/png]", "1: mime_types needs `%f` or `%F` in the command"),
        ("resources: {gpu: {required: true, count: 0}}", "4: resources.gpu.required: a required GPU needs"),
        ("resources: {mem_guarantee: 2G, mem_limit: 512M}", "4: resources.mem_limit: 512M is less than mem_guar"),
        ("resources: {cpu_guarantee: 2, cpu_limit: 1}", "4: resources.cpu_limit: 1 is less than cpu_guarantee"),
        ("resources: {gpus: 1}", "4: resources.gpus: there is no such field; did you mean `gpu`? Accepted here: cpu_"),
        ("resources:", "4: resources: must be a mapping of fields to values, not empty"),
        ("categories: []", "4: categories: is empty; give at least one entry"),
        ("icon: ../../secret.svg", "4: icon: `../../secret.svg` is not accepted; use the name (not the path)"),
        ("home_files: {../x: y}", "4: home_files.../x: `../x` is not accepted; use a path inside the user's home"),
        ("home_files: {/etc/x: y}", "4: home_files./etc/x: `/etc/x` is not accepted"),
        ("home_files: {a: 5}", "4: home_files.a: must be text (put quotes around a number), not `5`"),
        (f"home_files: {{a: {'x' * 33000}}}", "4: home_files: the files hold 33001 bytes together; at most 32768"),
        ("image: 'gimp; rm -rf /'", "4: image: `gimp; rm -rf /` is not accepted; use a container image"),
    ],
)
def test_a_wrong_value_gets_a_sentence(tmp_path: Path, more: str, expected: str) -> None:
    catalog = load(tmp_path, a=f"{GOOD}{more}\n")
    assert len(catalog.problems) == 1
    assert problems(catalog)[0].startswith(f"a.yaml:{expected}")
    assert "paint" not in catalog.apps


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "1: is empty"),
        (b"# only words\n", "1: is empty"),
        (b"- a\n- b\n", "1: must be a mapping of fields"),
        (b"gimp", "1: must be a mapping of fields"),
        (b"name: a\n\ttitle: b\n", "2: a tab is used"),
        (b"name: a\ntitle: b\nname: c\n", "3: name: is given twice (first on line 1)"),
        (b"a: {b: 1, b: 2}\n", "1: a.b: is given twice"),
        (b"name: a\n---\nname: b\n", "2: holds more than one document"),
        (b"name: a\ntitle: \xff\n", "2: is not UTF-8 text"),
        (b"name: a\ntitle: \x07\n", "2: holds the character U+0007"),
        (b"name: [a\ntitle: b\n", "2: is not YAML: while parsing a flow sequence"),
        (b"a: &x [lol]\nb: [*x, *x]\n", "1: anchors (`&`) and aliases (`*`) are not accepted"),
        (b"<<: *x\n", "1: anchors (`&`) and aliases (`*`) are not accepted"),
        (b"name: !!python/object/apply:os.system [id]\n", "1: tags (`!`) are not accepted"),
        (b"? [a, b]\n: c\n", "1: a key must be text"),
        (b"a: " + b"[" * 5000, "1: is nested more than"),
        (b"#" * (MAX_BYTES + 1), " is larger than 256 KiB"),
    ],
)
def test_what_is_not_a_plain_document_gets_a_sentence(tmp_path: Path, content: bytes, expected: str) -> None:
    catalog = load(tmp_path, a=content, b=GOOD)
    assert len(catalog.problems) == 1
    assert problems(catalog)[0].startswith(f"a.yaml:{expected}")
    assert "paint" in catalog.apps


def test_a_later_folder_replaces_an_app(tmp_path: Path) -> None:
    catalog = load(tmp_path, anything="name: gimp\ntitle: Our GIMP\ncommand: [our-gimp]\nicon: gimp.svg\n")
    assert catalog.problems == ()
    assert catalog.get("gimp").template.title == "Our GIMP"
    assert catalog.get("gimp").icon_svg == load_catalog().get("gimp").icon_svg


@pytest.mark.parametrize("text", ["name: gimp\ntitle: x\ncommand: gimp\n", "policy: {clipboard: none\n"])
def test_a_wrong_replacement_withdraws_the_app_that_it_was_to_restrict(tmp_path: Path, text: str) -> None:
    catalog = load(tmp_path, gimp=text)
    assert set(catalog.apps) == BUILT_IN - {"gimp"}
    assert len(catalog.problems) == 1


def test_the_same_name_twice_in_a_folder_is_an_error_of_the_second_file(tmp_path: Path) -> None:
    catalog = load(tmp_path, a=GOOD, b=f"# mine\n{GOOD}")
    assert problems(catalog) == [
        "b.yaml:2: name: `paint` is already the name of the app in a.yaml; choose another name."
    ]
    assert catalog.get("paint").source.name == "a.yaml"


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    catalog = load_catalog([tmp_path / "missing", file])
    assert set(catalog.apps) == BUILT_IN
    said = [str(problem) for problem in catalog.problems]
    assert said[0] == f"{tmp_path}/missing: the folder does not exist; create it, or leave it out."
    assert said[1].startswith(f"{file}: the folder cannot be read (Not a directory)")


def test_what_is_not_a_file_is_a_problem_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / ".hidden.yaml").write_text("nonsense")
    (tmp_path / "README.md").write_text("nonsense")
    said = problems(load_catalog([tmp_path]))
    assert [line.split(":")[0] for line in said] == ["dangling.yaml", "folder.yml", "pipe.yaml"]


def test_a_wrong_icon_is_told_and_a_letter_stands_in_for_it(tmp_path: Path) -> None:
    (tmp_path / "paint.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>')
    catalog = load(tmp_path, a=f"{GOOD}icon: paint.svg\n", b="name: b\ntitle: B\ncommand: [b]\nicon: none.svg\n")
    assert problems(catalog) == [
        "a.yaml:4: icon: paint.svg `onload` on line 1 is not accepted: an icon runs no code. "
        "The tile shows a letter instead.",
        "b.yaml:4: icon: none.svg cannot be read (No such file or directory). The tile shows a letter instead.",
    ]
    assert ">P</text>" in catalog.get("paint").icon_svg


def test_an_unknown_app_is_told_with_names_to_choose_from() -> None:
    catalog = load_catalog()
    with pytest.raises(UnknownApp, match=r"There is no app `gmip`. Did you mean gimp\?"):
        catalog.get("gmip")
    with pytest.raises(UnknownApp, match=r"Choose one of: blender, chromium, desktop, editor, .*, terminal\."):
        catalog.get("xyz")
    with pytest.raises(UnknownApp, match=r"There is no app `'a\\n"):
        catalog.get("a\n" + "b" * 1000)


# Bytes that come near a template, so that more than the first check is reached.
FIELDS = (b"name: paint\n", b"title: x\n", b"command: [a]\n", b"resources: {gpu: {count: 1}}\n", b"icon: gimp.svg\n")
SIGNS = (b"?", b": ", b"- ", b"[", b"]", b"{", b"}", b"\n", b"\t", b"  ", b"&a ", b"*a", b"!!int ", b"<<: ", b"'", b"|")
WORDS = (b"1e999", b"-", b".nan", b"0x1F", b"1:30", b"~", b"2024-99-99", b"\xff", b"\x00", "ü".encode(), b"%TAG ! x\n")
contents = st.one_of(
    st.binary(max_size=300), st.lists(st.sampled_from((*FIELDS, *SIGNS, *WORDS)), max_size=25).map(b"".join)
)


@settings(max_examples=200, deadline=None)
@given(content=contents)
def test_any_bytes_give_a_document_or_a_sentence(content: bytes) -> None:
    try:
        document = read_document(content)
    except DocumentError as error:
        assert str(error)  # noqa: PT017 - either way is right
        assert error.line is None or 1 <= error.line <= content.count(b"\n") + content.count(b"\r") + 2  # noqa: PT017
    else:
        assert isinstance(document.data, dict)
        assert () in document.lines


@settings(max_examples=60, deadline=None)
@given(content=contents)
def test_any_bytes_in_a_file_give_an_entry_or_a_problem(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("apps")
    catalog = load(folder, a=content)
    assert ("paint" in catalog.apps) != bool(catalog.problems)
    assert set(catalog.apps) - {"paint"} <= BUILT_IN
    assert all(str(problem) for problem in catalog.problems)
