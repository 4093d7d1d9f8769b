"""A subject's timeline as SVG: days since enrolment, the year after it pressed together."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from adapter.report.subjects import Happening, SubjectView

LANES = (
    "Stay",
    "Support",
    "Oxygen",
    "Doses",
    "Medication",
    "Samples",
    "Laboratory",
    "Sequencing",
    "Lung function",
    "Questionnaires",
    "Adverse events",
    "Study",
)
LEFT, WIDTH, RIGHT = 118, 880, 14
ROW, CHART = 22, 74
FIRST_DAY, NEAR, FAR = -2.0, 15.0, 400.0  # the scale breaks at NEAR
NEAR_SHARE = 0.74


def x(day: float) -> float:
    """Where a day lies, in pixels."""
    span = WIDTH - LEFT - RIGHT
    near = (min(max(day, FIRST_DAY), NEAR) - FIRST_DAY) / (NEAR - FIRST_DAY) * NEAR_SHARE
    far = (min(max(day, NEAR), FAR) - NEAR) / (FAR - NEAR) * (1 - NEAR_SHARE)
    return LEFT + span * (near + far)


def timeline(view: SubjectView) -> Markup:
    """The timeline of one subject; lanes without content are left out."""
    parts: list[str] = []
    top = 26
    for lane in LANES:
        if lane == "Oxygen":
            if not view.oxygen:
                continue
            height = CHART
            parts.append(_oxygen(view, top))
        elif lane in view.lanes:
            height = ROW
            parts.append(_lane(view.lanes[lane], lane, top))
        else:
            continue
        label = f'<text class="lane" x="{LEFT - 10}" y="{top + height / 2 + 4:.0f}">{lane}</text>'
        rule = f'<path class="rule" d="M{LEFT} {top + height}H{WIDTH - RIGHT}"/>'
        parts.append(label + rule)
        top += height
    title = f"Timeline of subject {escape(view.id)}"
    return Markup(  # noqa: S704  every text in it is escaped
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {top + 8}" role="img" '
        f'aria-label="{title}"><title>{title}</title>{_axis(top)}{"".join(parts)}</svg>'
    )


def _axis(bottom: int) -> str:
    marks = [
        (0, "enrolled"),
        (3, "3 d"),
        (7, "7 d"),
        (14, "14 d"),
        (180, "½ year"),
        (365, "1 year"),
    ]
    lines = "".join(
        f'<path class="grid" d="M{x(day):.1f} 20V{bottom}"/>'
        f'<text class="mark" x="{x(day):.1f}" y="14">{label}</text>'
        for day, label in marks
    )
    broken = x(NEAR)
    return lines + f'<path class="break" d="M{broken:.1f} 18V{bottom}"/>'


def _lane(happenings: Sequence[Happening], lane: str, top: int) -> str:
    return "".join(_mark(each, lane, top) for each in _together(happenings))


def _together(happenings: Sequence[Happening]) -> list[Happening]:
    """Ticks at one moment as one, with all their labels."""
    spans = [each for each in happenings if each.end is not None]
    ticks: dict[tuple[float, str], list[str]] = {}
    for each in happenings:
        if each.end is None:
            ticks.setdefault((each.start, each.kind), []).append(each.label)
    merged = [
        Happening(f"{len(labels)}: {', '.join(labels)}" if len(labels) > 1 else labels[0], at,
                  kind=kind)
        for (at, kind), labels in ticks.items()
    ]  # fmt: skip
    return sorted(spans + merged, key=lambda each: each.start)


def _mark(each: Happening, lane: str, top: int) -> str:
    name = lane.lower().replace(" ", "-")
    hint = f"<title>{escape(each.label)}, day {each.start:.1f}</title>"
    if each.end is None:
        kind = f" {escape(each.kind)}" if each.kind.isalpha() else ""
        return (
            f'<circle class="tick {name}{kind}" cx="{x(each.start):.1f}" cy="{top + ROW / 2:.0f}" '
            f'r="5">{hint}</circle>'
        )
    left, right = x(each.start), max(x(each.end), x(each.start) + 4)
    label = ""
    if right - left > 6.2 * len(each.label) and lane in ("Support", "Stay", "Medication"):
        label = (
            f'<text class="inside" x="{left + 5:.1f}" y="{top + 15}">{escape(each.label)}</text>'
        )
    return (
        f'<g><rect class="bar {name}" x="{left:.1f}" y="{top + 4}" width="{right - left:.1f}" '
        f'height="{ROW - 8}" rx="3">{hint}</rect>{label}</g>'
    )


def _oxygen(view: SubjectView, top: int) -> str:
    """FiO2 as steps and SpO2 as a line, both in percent from 20 to 100."""
    parts = [
        f'<text class="mark end" x="{WIDTH - RIGHT}" y="{_y(level, top) + 3:.1f}">{level} %</text>'
        f'<path class="grid" d="M{LEFT} {_y(level, top):.1f}H{WIDTH - RIGHT - 30}"/>'
        for level in (21, 60, 100)
    ]
    for name, points in sorted(view.oxygen.items()):
        points = sorted(points)
        line = " ".join(f"{x(day):.1f},{_y(value, top):.1f}" for day, value in points)
        parts.append(f'<polyline class="{name.lower()}" points="{line}"/>')
        parts += [
            f'<circle class="{name.lower()}" cx="{x(day):.1f}" cy="{_y(value, top):.1f}" r="2.5">'
            f"<title>{name} {value:g} %, day {day:.1f}</title></circle>"
            for day, value in points
        ]
    return "".join(parts)


def _y(percent: float, top: int) -> float:
    return top + CHART - 8 - (min(max(percent, 20), 100) - 20) / 80 * (CHART - 16)
