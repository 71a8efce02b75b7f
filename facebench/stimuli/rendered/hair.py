"""Hair of the scalp: where it grows, and thousands of single strands grown along a style's flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebench.stimuli.rendered import colours
from facebench.stimuli.rendered.fields import Field, curve, noise, smoothstep
from facebench.stimuli.rendered.head import Head, Skull, normals
from facebench.stimuli.rendered.parameters import Identity
from facebench.stimuli.rendered.points import Points

_HAIR_STREAM = 301


@dataclass(frozen=True)
class Style:
    """How one hair style grows; lengths in centimetres."""

    length: float
    lift: float  # thickness of the layer of hair
    flow: str  # 'part', 'back', 'front', 'up' or 'out'
    strands: int
    recede: float = 0.0  # how far the hairline has drawn back
    wave: float = 0.0  # radius of waves or curls
    wave_length: float = 5.0
    sides: float = 1.0  # thickness at the sides relative to the top
    side_length: float = 1.0  # length at the sides relative to the top
    stiff: float = 0.35  # how far a strand keeps its direction against flow and gravity
    cut: float = -30.0  # height at which the hair is cut


STYLES = {
    "bald": Style(0.25, 0.08, "front", 0, recede=9.0),
    "receding": Style(2.2, 0.5, "back", 7000, recede=2.6, sides=0.9, side_length=0.5, cut=-2.0),
    "buzz": Style(0.5, 0.25, "out", 9000, sides=0.8),
    "short": Style(4.2, 1.7, "front", 8000, sides=0.5, side_length=0.35, stiff=0.55, cut=-2.2),
    "side_part": Style(6.5, 1.7, "part", 7500, sides=0.5, side_length=0.28, cut=-1.5),
    "swept_back": Style(8.0, 2.1, "back", 7000, sides=0.45, side_length=0.4, stiff=0.6, cut=-2.5),
    "curly": Style(4.6, 2.4, "out", 6000, wave=0.36, wave_length=1.7, sides=0.9, stiff=0.8),
    "pixie": Style(5.5, 1.5, "part", 7500, sides=0.7, side_length=0.6, cut=-2.5),
    "tied_back": Style(9.0, 0.7, "back", 7000, sides=0.8, side_length=0.7, cut=-3.0),
    "bob": Style(20.0, 1.6, "part", 5200, sides=1.25, cut=-9.5),
    "fringe": Style(24.0, 1.5, "fringe", 5600, sides=1.15, cut=-12.0),
    "long": Style(32.0, 1.5, "part", 4600, sides=1.1),
    "wavy": Style(31.0, 2.0, "part", 4400, wave=0.55, wave_length=6.5, sides=1.3),
}


def hair_mask(head: Head) -> Field:
    """Return how far each point of the head carries hair, 0 … 1 with a ragged edge."""
    i = head.identity
    style = STYLES[i.hair_style]
    rng = np.random.default_rng([_HAIR_STREAM, i.texture_seed, 1])
    back, line = style.recede, i.hairline
    turn = np.degrees(np.abs(head.phi))
    edge = curve(
        [
            (0, line + 0.55 * back + max(back - 5, 0)), (14, line + 0.05 + 0.8 * back),
            (28, line - 0.15 + 1.15 * back), (42, line - 1.0 + 1.0 * back),
            (55, line - 3.3 + 0.55 * back), (66, 1.6 + 0.4 * back), (76, -1.4), (84, -2.2),
            (92, 0.5), (104, 1.5), (125, -3.0), (145, -5.0),
        ],
        turn,
    )  # fmt: skip
    ragged = 0.28 * noise(rng, (1, len(head.phi) + 8), (1, 110))[0, : len(head.phi)]
    softness = 0.35 + 0.25 * (back > 0)
    mask = smoothstep(-softness, softness, head.y - edge[None, :] + ragged[None, :])
    strength = (
        0.35 if i.hair_style == "bald" else 0.62 if i.hair_style in ("buzz", "receding") else 1.0
    )
    return np.asarray(mask * strength, np.float32)


def grow_hair(head: Head, mask: Field, density: float) -> Points | None:
    """Grow the strands of a head; None for a bald one."""
    i = head.identity
    style = STYLES[i.hair_style]
    if style.strands == 0:
        return None
    rng = np.random.default_rng([_HAIR_STREAM, i.texture_seed, 2])
    roots, outward, clump = _roots(head, mask, style, rng)
    path, depth = _grow(i, style, roots, outward, clump, rng)
    return _as_points(i, style, path, depth, clump, density, rng)


def _roots(
    head: Head, mask: Field, style: Style, rng: np.random.Generator
) -> tuple[Field, Field, Field]:
    """Draw roots evenly over the hairy skin; return places, outward normals and clump numbers."""
    step_x, step_y, step_z = (
        np.hypot(np.gradient(c, axis=0), 1e-6) for c in (head.x, head.y, head.z)
    )
    along = np.sqrt(step_x**2 + step_y**2 + step_z**2)
    across = np.hypot(np.gradient(head.x, axis=1), np.gradient(head.z, axis=1))
    weight = along * across * np.clip(mask * 1.8 - 0.5, 0, 1)
    if style.flow == "out":  # what sticks out below the ears would look like tufts
        weight *= smoothstep(-1.0, 2.5, head.y)
    # The back of the head is hidden from a camera in front of it.
    seen = 0.45 if style.length > 15 else 0.25  # long hair shows beside the neck
    weight *= seen + (1 - seen) * smoothstep(-5.0, 0.0, head.z)
    total = np.cumsum(weight.ravel(), dtype=np.float64)
    chosen = np.searchsorted(total, rng.random(style.strands) * total[-1])
    chosen = np.minimum(chosen, weight.size - 1)
    places = np.stack([c.ravel()[chosen] for c in (head.x, head.y, head.z)])
    places += 0.06 * rng.standard_normal(places.shape).astype(np.float32)
    normal = np.stack([c.ravel()[chosen] for c in normals(head.x, head.y, head.z)])
    cells = np.floor(places / 0.9 + 0.35 * rng.standard_normal(places.shape)).astype(np.int64)
    clump = (cells[0] * 73856093 ^ cells[1] * 19349663 ^ cells[2] * 83492791) % 997
    return places.astype(np.float32), normal.astype(np.float32), clump.astype(np.float32)


def _flow(identity: Identity, style: Style, p: Field, outward: Field) -> Field:
    """Return the direction [3, N] in which a style combs the hair at places ``p``."""
    x, y, z = p
    parting = np.float32(1.7 * np.clip(identity.score("hair_parting"), -1.6, 1.6))
    side = np.tanh((x - parting) / np.float32(0.7))
    zero, one = np.zeros_like(x), np.ones_like(x)
    low = smoothstep(7.5, 4.0, y)  # at the sides everything hangs down
    if style.flow == "part":
        ahead = smoothstep(3.0, 6.5, z)  # off the forehead: up and back before going down
        flow = np.stack([side, -0.35 + 0.65 * ahead, -0.28 - 0.35 * ahead])
    elif style.flow == "fringe":
        ahead = smoothstep(-1.0, 2.5, z) * smoothstep(5.2, 3.6, np.abs(x))
        flow = np.stack([0.12 * x * ahead + side * (1 - ahead), -0.3 * one, 1.2 * ahead - 0.1])
    elif style.flow == "back":
        flow = np.stack([0.08 * x, 0.25 * one, -one])
        low = low * 0.12
    elif style.flow == "front":
        flow = np.stack([0.5 * side, 0.15 * one, 0.55 + 0.0 * x])
    else:
        flow, low = outward.copy(), zero
    down = np.stack([zero, -one, -0.15 * one])
    return np.asarray(flow * (1 - low) + down * low, np.float32)


def _grow(
    identity: Identity,
    style: Style,
    roots: Field,
    outward: Field,
    clump: Field,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    """Return the strands [3, steps, N] and how deep each point lies in the hair (1 is outside)."""
    count, steps = roots.shape[1], 26
    skull = Skull(identity)
    growth = np.clip(1 + 0.13 * identity.score("hair_length"), 0.6, 1.4)
    volume = np.clip(1 + 0.22 * identity.score("hair_volume"), 0.5, 1.6)
    length = style.length * growth * rng.uniform(0.72, 1.0, (count,)).astype(np.float32)
    length = np.minimum(length, np.float32(38.0))  # what hangs lower is out of the picture
    layer = rng.random((count,)).astype(np.float32) ** np.float32(0.8)
    top = smoothstep(2.0, 8.0, roots[1])
    length = length * (style.side_length + (1 - style.side_length) * smoothstep(4.0, 7.5, roots[1]))
    if style.flow == "back":  # combed past the ears, low strands would stick out behind them
        length = length * (0.15 + 0.85 * smoothstep(-0.5, 3.5, roots[1]))
    lift = style.lift * volume * (style.sides + (1 - style.sides) * top) * (0.1 + 0.9 * layer)
    # Near the hairline in front the layer starts thin, or the hair would look like a cap.
    edge = smoothstep(
        identity.hairline - 1.0, identity.hairline + 2.0, roots[1] + 0.35 * np.abs(roots[0])
    )
    lift = lift * (0.45 + 0.55 * edge) if style.flow != "out" else lift
    locks = rng.standard_normal((3, 997)).astype(np.float32)[:, clump.astype(int)]
    wild = 0.13 * locks + 0.05 * rng.standard_normal(roots.shape).astype(np.float32)
    step = length / steps
    p, direction = roots.copy(), outward + wild
    path, depth = (
        np.empty((3, steps + 1, count), np.float32),
        np.empty((steps + 1, count), np.float32),
    )
    path[:, 0], depth[0] = p, 0.0
    keep = np.float32(style.stiff)
    for k in range(1, steps + 1):
        flow = _flow(identity, style, p, outward) + wild
        direction = keep * direction + (1 - keep) * flow
        if style.flow not in ("out", "back"):
            hanging = smoothstep(4.0, -4.0, p[1])
            direction *= np.stack([1 - 0.5 * hanging, 1 + 0 * hanging, 1 - 0.5 * hanging])
            direction[1] -= 0.5 * hanging
        direction /= np.sqrt((direction**2).sum(axis=0)) + np.float32(1e-6)
        p = p + step * direction
        # Keep the strand on its own layer over the skull, and let it hang free below the ears.
        height = lift * np.minimum(1.0, k * step / np.float32(1.6)) / np.float32(8.0)
        level = skull.level(p[0], p[1], p[2])
        hold = np.where(level < 1 + height, 1.0, 0.85 * smoothstep(-3.0, 2.0, p[1])).astype(
            np.float32
        )
        if style.flow == "out":
            hold = (level < 1 + 0.2 * height).astype(np.float32)
        scale = 1 + hold * ((1 + height) / level - 1)
        p = p * np.stack([scale, np.where(p[1] > 0, scale, 1.0), scale])
        path[:, k], depth[k] = p, np.minimum(1.0, 0.25 + 0.75 * layer)
    if style.wave > 0:
        path += _waves(style, path, length, locks[0] * 2.5 + 0.5 * rng.standard_normal(count))
    return path, depth


def _waves(style: Style, path: Field, length: Field, phase: Field) -> Field:
    """Return the offsets that turn straight strands into waves or curls."""
    steps = path.shape[1]
    walk = np.linspace(0, 1, steps, dtype=np.float32)[:, None] * length
    angle = np.float32(2 * np.pi / style.wave_length) * walk + phase.astype(np.float32)
    radius = style.wave * np.minimum(1, walk / np.float32(0.35 * style.length))
    return np.stack(
        [radius * np.cos(angle), 0.6 * radius * np.sin(1.3 * angle), radius * np.sin(angle)]
    )


def _as_points(
    identity: Identity,
    style: Style,
    path: Field,
    depth: Field,
    clump: Field,
    density: float,
    rng: np.random.Generator,
) -> Points:
    steps, count = path.shape[1] - 1, path.shape[2]
    between = int(np.ceil(style.length / steps * density / 1.85)) or 1
    share = (np.arange(between, dtype=np.float32) / between)[:, None]
    start, end = path[:, :-1, None, :], path[:, 1:, None, :]
    position = (start + (end - start) * share).reshape(3, -1)
    tangent = path[:, 1:] - path[:, :-1]
    tangent /= np.sqrt((tangent**2).sum(axis=0)) + np.float32(1e-6)
    centre = np.array([0, 1.0, -0.5], np.float32)[:, None, None]
    out = path[:, 1:] - centre
    out[1] *= smoothstep(-4.0, 3.0, out[1]) * 0.8
    out /= np.sqrt((out**2).sum(axis=0)) + np.float32(1e-6)
    normal = out - 0.9 * (out * tangent).sum(axis=0) * tangent
    normal /= np.sqrt((normal**2).sum(axis=0)) + np.float32(1e-6)
    clump_shade = rng.standard_normal(997).astype(np.float32)[clump.astype(int)]
    shade = np.exp(0.16 * clump_shade + 0.20 * rng.standard_normal((count,)).astype(np.float32))
    shade = shade * (0.45 + 0.55 * depth[1:])
    kept = np.flatnonzero(_visible(identity, style, position, count, rng))
    # Colour and direction change slowly along a strand: each point takes those of its segment.
    segment = kept // (between * count) * count + kept % count
    return Points(
        position[:, kept],
        normal.reshape(3, -1)[:, segment],
        colours.hair_colour(identity)[:, None] * shade.ravel()[segment],
        np.full(kept.size, 0.5, np.float32),
        (0.35 + 0.65 * depth[1:]).ravel()[segment],
        np.zeros(kept.size, np.float32),
    )


def _visible(
    identity: Identity, style: Style, position: Field, count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which points to draw: hair is cut at a height, and kept out of the face."""
    x, y, z = position
    brow = identity.brow_height + (0.75 if style.flow == "fringe" else 2.2)
    edge = brow + 0.03 * x * x
    if style.flow == "part":  # no stray strands across the forehead
        edge = np.maximum(edge, identity.hairline - 0.7 - 0.07 * x * x)
    face = (z > 3.0) & (np.abs(x) < 5.9) & (y < edge)
    # Short hair ends raggedly, long hair is cut in a line.
    spread = 0.75 if style.length < 10 else 0.2
    ends = style.cut + spread * rng.standard_normal((count,)).astype(np.float32)
    cut = np.broadcast_to(ends, (y.size // count, count)).ravel()
    return np.asarray((y > cut) & (y > -22) & ~face)
