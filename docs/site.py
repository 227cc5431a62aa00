"""What the site needs besides mkdocs.yml: pages from outside of docs/, links between them, and formulas.

A page is written as it reads on a code host.  Links to files that are no part of the site become their text.  A formula
between ``$$`` is read and set by Einstan, in MathML; one that it does not read stands as it is typed.
"""

from __future__ import annotations

import os
import posixpath
import re
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from einstan.language import EinstanError, parse
from einstan.language.mathml import row_of, wrapped

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'  # to which the theme gives no name
PAGE = os.environ.get("EINSTAN_PAGE")  # the page to try it is put in too, for which npm fetches what it runs on
BUTTON = '<a class="md-button md-button--primary" href="try/index.html">Try it here</a>'
FENCED = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|.*$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")  # in a row a bar in code is escaped for code hosts, and not for Python's Markdown
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
DISPLAY = re.compile(r"^\$\$(.*?)\$\$$", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """The pages that stand outside of docs/ come in."""
    for name, source in OUTSIDE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    if page.file.src_uri == "page.md" and PAGE:
        markdown = markdown.replace("\n\n", f"\n\n{BUTTON}\n\n", 1)
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]  # of a section of one page
    source = Path(page.file.abs_src_path).resolve()
    places = {Path(file.abs_src_path).resolve(): file.src_uri for file in files if file.abs_src_path}
    folder = posixpath.dirname(page.file.src_uri)

    def link(match: re.Match[str]) -> str:
        target, found = match["target"], (source.parent / match["target"]).resolve()
        if not target or "://" in target or not found.exists():
            return match[0]
        if found not in places:
            return match["text"]
        return f"{match['image']}[{match['text']}]({posixpath.relpath(places[found], folder)}{match['anchor'] or ''})"

    linked = outside_of_code(LINK, link, outside_of_code(DISPLAY, formula, markdown))
    return ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), linked)


def on_post_page(output: str, **kwargs: Any) -> str:
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


def on_post_template(output_content: str, **kwargs: Any) -> str:
    return on_post_page(output_content)


def outside_of_code(pattern: re.Pattern[str], change: Any, text: str) -> str:
    """The text with what a pattern finds changed, but in code."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    changed = pattern.sub(change, FENCED.sub(keep, text))
    return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], changed)


def formula(match: re.Match[str]) -> str:
    """One displayed formula, or the rows of several, as MathML where Einstan reads it."""
    text = match[1].strip()
    inner = re.fullmatch(r"\\begin\{aligned\}(.*)\\end\{aligned\}", text, re.DOTALL)
    rows, left = [], ""
    try:
        for row in re.split(r"\\\\\s", inner[1] + " ") if inner else [text]:
            formula, _, remark = row.strip().partition("&&")
            begin, _, end = formula.replace("&", "").partition("=")
            equation = parse(f"{begin.strip() or left} = {end}")
            shown = row_of(equation).partition("<mo>=</mo>")
            rows.append((shown[0] if begin.strip() else "", shown[2], remark.strip()[6:-1]))
            left = begin.strip() or left
    except EinstanError:
        return f"```latex\n{text}\n```"
    cells = "".join(
        f"<mtr><mtd>{one}</mtd><mtd><mo>=</mo>{other}</mtd><mtd><mtext>{escape(remark)}</mtext></mtd></mtr>"
        for one, other, remark in rows
    )
    return f'<div class="formula" markdown="0" tabindex="0">{wrapped(f"<mtable>{cells}</mtable>")}</div>'


def on_post_build(config: Any) -> None:
    if PAGE:
        from einstan.library.cli import main

        if main(["page", "--write", str(Path(config.site_dir) / "try")]):
            raise SystemExit("the page was not written")
