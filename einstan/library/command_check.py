"""``einstan check``: the claims of documents, judged line by line; 0 where all hold, 1 where one does not."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from rich.console import Console

from einstan.language.errors import DataError
from einstan.library.check import Report, check
from einstan.library.files import refuse_unwritable, write_out
from einstan.library.live import Live
from einstan.library.papers import check_paper, kind_of
from einstan.library.texts import STANDARD_INPUT, read, short


def run(options: argparse.Namespace, console: Console) -> int:
    for option in ("latex", "html", "remember"):
        refuse_unwritable(f"--{option}", getattr(options, option))
    if options.files.count(STANDARD_INPUT) > 1:
        raise DataError("the standard input can be read once", repair="give - once, and the other documents by name")
    names = [short(name) if name == STANDARD_INPUT else name for name in options.files]
    reports = judged(list(map(document_of, options.files)), names, options.jobs, options.seconds, options.remember)
    if options.latex is not None:
        from einstan.library.report_latex import document

        write_out(options.latex, document(reports).encode())
    if options.html is not None:
        from einstan.library.report_html import page

        write_out(options.html, page(reports).encode())
    if options.json:
        console.out(json.dumps([report.json() for report in reports], ensure_ascii=False, indent=1), highlight=False)
    elif options.table:
        from einstan.library.report_table import table

        console.out(table(reports), highlight=False)
    else:
        console.out("\n\n".join(map(str, reports)), highlight=False)
        if len(reports) > 1:
            claims = sum(len(report.claims) for report in reports)
            holding = sum(line.holds for report in reports for line in report.claims)
            console.out(f"\n{len(reports)} documents: {holding} of {claims} claims are as expected", highlight=False)
    return 0 if all(reports) else 1


def judged(
    texts: list[str], names: list[str], jobs: int = 1, seconds: float | None = None, remember: str | None = None
) -> list[Report]:
    """The reports in the order of the documents, whichever of so many processes judges them."""
    jobs, judge = min(jobs, len(texts)), partial(judged_one, seconds=seconds, remember=remember)
    if jobs < 2:
        return list(map(judge, texts, names))
    # Fresh processes: a copy of this one could inherit locks that its threads hold.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, Live(None, len(texts)) as live:
        reports = []
        for report in pool.map(partial(judge, progress=False), texts, names):
            reports.append(report)
            live.tell(f"judged {report.name}", len(reports))
        return reports


def judged_one(
    text: str, name: str, seconds: float | None, remember: str | None, progress: bool | None = None
) -> Report:
    """A document of the notation, or a paper, by the name of its file."""
    if kind := kind_of(name):
        return check_paper(text, kind, name, seconds, remember, progress)
    return check(text, name, seconds, remember, progress)


def document_of(name: str) -> str:
    return read(name, "cannot be read", "name a document of equations")
