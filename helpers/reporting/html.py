"""The report: an executed notebook and its findings as one page that needs no network and no script."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from helpers.reporting import tokens
from helpers.reporting.cards import cards
from helpers.reporting.inline import bare
from helpers.reporting.tables import clean
from helpers.reporting.words import _, day, foreign, language, number, period_name, plural

if TYPE_CHECKING:
    from datetime import date, datetime

    from helpers.reporting.findings import Findings

TEMPLATE = Path(__file__).parent / "template"
LARGEST_LOGO = 100_000
_ON_EACH_SHEET = "@page{@top-%(side)s{content:%(text)s;font:bold 9pt sans-serif;color:#b3261e}}"


@dataclass(frozen=True, kw_only=True)
class Brand:
    """A client's look: name, one colour (`#rrggbb`) and a logo."""

    name: str
    colour: str
    logo: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a report was made of; `data_through` is `None` where the data hold no dates."""

    data_hash: str
    data_through: date | None
    code_version: str
    seed: int
    versions: dict[str, str]
    duration_seconds: float
    generated_at: datetime

    def sentence(self) -> str:
        """The page's last line."""
        through = _("Undated data")
        if self.data_through is not None:
            through = _("Data through {day}").format(day=day(self.data_through))
        return _(
            "{through} (sha256 {data_hash}); Valuebook {code_version}, seed {seed}; made on {made} in "
            "{seconds} s with {versions}."
        ).format(
            through=through,
            data_hash=foreign(self.data_hash),
            code_version=foreign(self.code_version),
            seed=foreign(self.seed),
            made=day(self.generated_at.date()),
            seconds=number(self.duration_seconds, digits=1),
            versions=foreign(", ".join(f"{name} {version}" for name, version in self.versions.items())),
        )


def render(notebook: Any, *, findings: Findings, provenance: Provenance, brand: Brand) -> str:
    """A report as one HTML page.

    Markdown cells are messages of the catalogue and are looked up here; the H1 becomes the page's title. A section whose
    every output is empty, since the client did not bring its table, is left out. Code, and what it wrote to stderr, stands
    in an appendix.

    Args:
        notebook: The executed notebook.
        findings: What it published.
        provenance: For the page's foot.
        brand: The client's look.

    Raises:
        ValueError: The notebook has no H1, or holds an error.
    """
    import nbformat

    shown = nbformat.from_dict(notebook)
    for output in (output for cell in shown.cells for output in cell.get("outputs", [])):
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = bare(output.data["text/html"])
    shown.cells = _told(shown.cells)
    heading = ""
    contents: list[dict[str, str]] = []
    for cell in shown.cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            raise ValueError("the notebook holds an error and cannot be a report")
        if cell.cell_type != "markdown":
            continue
        cell.source = _(cell.source)
        if not heading and (match := re.match(r"# (.+)\n?", cell.source)):
            heading, cell.source = match[1].strip(), cell.source[match.end() :]
        contents += [
            {"text": text.strip(), "id": text.strip().replace(" ", "-")}
            for text in re.findall(r"^## (.+)$", cell.source, flags=re.MULTILINE)
        ]
    if not heading:
        raise ValueError("the notebook has no H1 to be the report's title")
    tokens.use_accent(brand.colour)
    body, _resources = _exporter().from_notebook_node(shown)
    # The exporter names headings only together with a link of its own on each. Prose alone has bare ones, in the same order.
    names = iter([escape(item["id"]) for item in contents])
    body = re.sub("<h2>", lambda _bare: f'<h2 id="{next(names)}">', body, count=len(contents))
    passed = sum(check.status == "pass" for check in findings.checks)
    when = _("undated data") if provenance.data_through is None else period_name(findings.period)
    return page(
        "report.html.j2",
        title=f"{heading} – {brand.name} – {when}",
        heading=heading,
        client=clean(brand.name),
        logo=_logo(brand.logo),
        period=when,
        findings=findings,
        shown_cards=cards(findings),
        passed=plural("{count} check passed", "{count} checks passed", passed) if passed else "",
        check_words=check_words(),
        evidence_words=evidence_words(),
        contents=contents,
        body=Markup(body),  # noqa: S704 - outputs are escaped by the helpers that made them
        code=_code(nbformat.from_dict(notebook)),
        provenance=provenance.sentence(),
        colour=_colour_told(),
        stamp=_("Do not use this for the decision.") if findings.held_back else "",
    )


def _told(cells: list[Any]) -> list[Any]:
    """Cells without the sections (from one H2 to the next) that have outputs and show nothing."""
    sections: list[list[Any]] = [[]]
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append(cell)
    return [cell for section in sections if not _empty(section) for cell in section]


def _empty(section: list[Any]) -> bool:
    outputs = [output for cell in section for output in cell.get("outputs", [])]
    return bool(outputs) and all(output.get("data", {}).get("text/html", " ") == "" for output in outputs)


def page(template: str | jinja2.Template, *, title: str, script: str = "", stamp: str = "", **values: Any) -> str:
    """A page from one of the templates, with the shared style and a policy that lets nothing else in but its own script.

    A stamp stays in sight however far a reader scrolls, and stands on each sheet of paper.
    """
    css = tokens.variables() + (TEMPLATE / "report.css").read_text(encoding="utf-8")
    if stamp:
        css += _ON_EACH_SHEET % {
            "side": "right" if language().direction == "rtl" else "left",
            "text": json.dumps(stamp, ensure_ascii=False),
        }
    scripts = f"'sha256-{_digest(script)}'" if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(css)}'; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            title=clean(title),
            css=Markup(css),  # noqa: S704 - our own file
            policy=policy,
            script=Markup(script),  # noqa: S704 - our own file
            stamp=stamp,
            lang=str(language().locale).replace("_", "-"),
            direction=language().direction,
            _=_,
            **values,
        )
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colour_told() -> str:
    """That the client's colour was changed, where it could not be read on white."""
    colour, shown = tokens.accent(), tokens.themes()[0].accent
    if colour == shown:
        return ""
    told = _("The client’s colour, {colour}, is printed darker here ({shown}), so that it can be read.")
    return told.format(colour=colour, shown=shown)


def status_word(findings: Findings) -> str:
    """State of a topic as a reader sees it; one of which a part is held back and another decided may be used in part."""
    in_part = findings.status == "blocked" and findings.decisions
    return _("Use in part") if in_part else status_words()[findings.status]


def status_words() -> dict[str, str]:
    """States of a topic, as a reader sees them."""
    return {
        "ok": _("All checks passed"),
        "warn": _("Read with care"),
        "blocked": _("Do not use"),
        "skipped": _("Not run"),
        "failed": _("Did not finish"),
    }


def check_words() -> dict[str, str]:
    """Results of a check, as a reader sees them."""
    return {"pass": _("Passed"), "warn": _("Note"), "fail": _("Failed")}


def evidence_words() -> dict[str, str]:
    """Grades of evidence, as a reader sees them."""
    return {
        "experiment": _("experiment"),
        "causal": _("causal analysis"),
        "model": _("model"),
        "association": _("association, which is no proof"),
        "assumption": _("assumption: test it before you rely on it"),
    }


def _code(notebook: Any) -> list[dict[str, str]]:
    """Source of the code cells, each with what it wrote to stderr."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            notices = "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stderr")
            found.append({"source": cell.source, "notices": notices})
    return found


def _logo(path: Path | None) -> str:
    if path is None:
        return ""
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith("image/"):
        raise ValueError(f"brand.logo == {str(path)!r}, must be an image file")
    content = path.read_bytes()
    if len(content) > LARGEST_LOGO:
        raise ValueError(f"brand.logo == {str(path)!r} has {len(content)} bytes, must be <= {LARGEST_LOGO}")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def logo(brand: Brand) -> str:
    """The client's logo as a data URI; empty where there is none."""
    return _logo(brand.logo)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )


@cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter, TemplateExporter

    class Body(HTMLExporter):
        """The exporter without its last step: to parse the page and mark what our template has marked, or does not have."""

        def from_notebook_node(  # type: ignore[override]
            self, nb: Any, resources: Any = None, **kw: Any
        ) -> tuple[str, dict[str, Any]]:
            found: tuple[str, dict[str, Any]] = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
            return found

    return Body(
        extra_template_basedirs=[str(TEMPLATE)],
        template_name="valuebook",
        exclude_anchor_links=True,
        embed_images=True,
        optimistic_validation=True,
    )
