"""Enrolment over time: one rising line a group, as SVG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from adapter.report.subjects import SubjectView

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT = 880, 260, 40, 28, 190


def enrolment(views: Sequence[SubjectView]) -> Markup:
    """Subjects by day of enrolment, counted up for each arm."""
    dates = sorted(dt.date.fromisoformat(v.enrolled[:10]) for v in views if len(v.enrolled) >= 10)
    if not dates:
        return Markup("")
    first, span = dates[0], max(1, (dates[-1] - dates[0]).days)
    arms = sorted({view.arm for view in views})
    most = max(sum(view.arm == arm for view in views) for arm in arms)
    parts = [_grid(first, span, most)]
    for index, arm in enumerate(arms):
        days = sorted(
            (dt.date.fromisoformat(v.enrolled[:10]) - first).days
            for v in views
            if v.arm == arm and len(v.enrolled) >= 10
        )
        parts.append(_steps(days, span, most, index))
        last = _y(len(days), most)
        parts.append(
            f'<text class="arm arm-{index}" x="{WIDTH - RIGHT + 8}" y="{last + 4 + 2 * index:.0f}">'
            f"{escape(arm)} ({len(days)})</text>"
        )
    return Markup(  # noqa: S704  every text in it is escaped
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Enrolment over time">'
        f"<title>Enrolment over time</title>{''.join(parts)}</svg>"
    )


def _x(day: float, span: int) -> float:
    return LEFT + day / span * (WIDTH - LEFT - RIGHT)


def _y(count: float, most: int) -> float:
    return HEIGHT - BOTTOM - count / most * (HEIGHT - BOTTOM - 12)


def _steps(days: Sequence[int], span: int, most: int, index: int) -> str:
    path = f"M{LEFT} {_y(0, most):.1f}"
    for count, day in enumerate(days, start=1):
        path += f"H{_x(day, span):.1f}V{_y(count, most):.1f}"
    return f'<path class="steps arm-{index}" d="{path}H{WIDTH - RIGHT}"/>'


def _grid(first: dt.date, span: int, most: int) -> str:
    parts = []
    step = next(n for n in (1, 5, 10, 20, 25, 50, 100, 500, 1000, most) if most / n <= 6)
    for count in range(0, most + 1, step):
        y = _y(count, most)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="mark end" x="{LEFT - 6}" y="{y + 4:.1f}">{count}</text>')
    for quarter in range(0, span + 1, max(91, span // 8)):
        day = first + dt.timedelta(days=quarter)
        parts.append(
            f'<text class="mark" x="{_x(quarter, span):.1f}" y="{HEIGHT - 8}">{day:%Y-%m}</text>'
        )
    return "".join(parts)
