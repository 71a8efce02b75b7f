"""What is painted on the surface of the head: skin, lips, brows, marks, stubble and eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.stimuli.rendered import colours
from facebench.stimuli.rendered.fields import Field, blurred, bump, curve, mix, noise, smoothstep
from facebench.stimuli.rendered.head import Head
from facebench.stimuli.rendered.layout import SIDES, Layout
from facebench.stimuli.rendered.parameters import Identity, View

_PAINT_STREAM = 201


@dataclass(frozen=True)
class Paint:
    """Reflectance and shine of every point of the head."""

    albedo: Field  # [3, rows, columns], linear RGB
    gloss: Field  # [rows, columns], strength of the highlight


def paint_head(head: Head, hairy: Field) -> Paint:
    """Paint everything that does not depend on the view.

    Parameters
    ----------
    head : Head
        The neutral head.
    hairy : ndarray [rows, columns]
        How far each point carries hair of the scalp, 0 … 1.
    """
    i, layout, x, y = head.identity, Layout(head.identity), head.x, head.y
    rng = np.random.default_rng([_PAINT_STREAM, i.texture_seed])
    albedo: Field = colours.skin_colour(i)[:, None, None] * _complexion(head, layout, rng)
    gloss = 0.55 + 0.25 * bump(x, y, (0, layout.nose_tip_y + 0.1), (0.9, 0.8))
    gloss += 0.35 * bump(x, y, (0, 5.0), (3.0, 1.8))
    beard = _beard(head, layout, rng)
    albedo = mix(albedo, colours.hair_colour(i, brow=True)[:, None, None], beard)
    lips = layout.lip_share(x, y) * head.front
    _, line, _ = layout.lips(x)
    lip = colours.lip_colour(i)[:, None, None] * (1 - 0.14 * smoothstep(-0.1, 0.2, y - line))
    albedo = mix(albedo, lip, (0.88 - 0.1 * float(i.masculinity > 0)) * lips)
    crack = np.exp(-0.5 * ((y - line) / np.float32(0.055)) ** 2)
    crack *= smoothstep(i.mouth_width / 2 + 0.12, i.mouth_width / 2 - 0.3, np.abs(x)) * head.front
    albedo *= 1 - 0.78 * crack
    for side in SIDES:
        wing = i.nose_width / 2 - 0.42
        tilt = y - layout.nose_base_y - 0.30 + 0.25 * (side * x - 0.58 * wing)
        hole = bump(side * x, tilt, (0.58 * wing, 0.0), (0.26, 0.11))
        albedo *= 1 - 0.72 * hole * head.front
    brows = _brows(head, layout, rng)
    albedo = mix(albedo, colours.hair_colour(i, brow=True)[:, None, None], brows)
    albedo = mix(albedo, colours.hair_colour(i)[:, None, None] * np.float32(0.8), 0.93 * hairy)
    gloss = (gloss + 1.5 * lips) * (1 - 0.85 * np.maximum(np.maximum(brows, hairy), beard))
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def _complexion(head: Head, layout: Layout, rng: np.random.Generator) -> Field:
    """Return the factor [3, rows, columns] by which the skin differs from its base colour."""
    i, x, y = head.identity, head.x, head.y
    shape = (x.shape[0], x.shape[1])
    flush = 0.35 * bump(x, y, (0, layout.nose_tip_y), (1.2, 0.9))
    shade = np.zeros_like(x)
    for side in SIDES:
        flush += 0.42 * bump(side * x, y, (4.2, -3.4), (1.9, 1.6))
        out, up = layout.to_eye(x, y, side)
        tired = 0.12 + 0.06 * max(i.score("age"), 0)
        shade += tired * bump(out, up, (-0.5, -0.85), (1.2, 0.42))
        shade += 0.20 * bump(out, up, (-0.2, 0.62), (1.3, 0.42))
        shade += 0.16 * bump(out, up, (-1.75, 0.2), (0.4, 0.6))
    flush *= np.clip(0.75 + 0.3 * i.score("skin_redness"), 0.15, 1.5)
    fine = 0.030 * noise(rng, shape, (shape[0] // 3, shape[1] // 3))
    broad = 0.028 * noise(rng, shape, (26, 24))
    value = 1 + fine + broad - shade
    red = np.float32(0.13) * flush + 0.02 * noise(rng, shape, (14, 14))
    freckles = _freckles(head, rng)
    mole = 0.0 * x
    if i.score("mole_size") > 0.4:
        size = 0.09 + 0.05 * (i.score("mole_size") - 0.4)
        mole = (
            0.75 * np.minimum(1.6 * bump(x, y, (i.mole_x, i.mole_y), (size, size)), 1) * head.front
        )
    spots = np.stack([1 - 0.5 * freckles, 1 - 0.75 * freckles, 1 - 0.9 * freckles])
    spots *= np.stack([1 - 0.85 * mole, 1 - mole, 1 - mole])
    tint = np.stack([1 + 0.35 * red, 1 - 0.9 * red, 1 - 0.8 * red])
    return np.asarray(value * tint * spots, np.float32)


def _freckles(head: Head, rng: np.random.Generator) -> Field:
    i = head.identity
    shape = (head.x.shape[0], head.x.shape[1])
    speckle = rng.random(shape, dtype=np.float32)
    amount = i.score("freckles") - 0.9 - 0.4 * max(i.score("melanin"), -0.5)
    if amount <= 0:
        return np.zeros(shape, np.float32)
    dots = blurred((speckle > 1 - 0.006 * min(amount, 2.0)).astype(np.float32), 1.0)
    place = bump(head.x, head.y, (0, -2.4), (5.0, 2.2)) + 0.4 * bump(head.x, head.y, (0, 4), (4, 2))
    spots = np.minimum(4.5 * dots, 1) * np.minimum(place, 1) * head.front
    return np.asarray(0.55 * spots, np.float32)


def _beard(head: Head, layout: Layout, rng: np.random.Generator) -> Field:
    i, x, y = head.identity, head.x, head.y
    shape = (x.shape[0], x.shape[1])
    grain = noise(rng, shape, (shape[0] // 2, shape[1] // 2))
    strength = 0.0
    if i.masculinity > 0:
        strength = 0.10 + 0.30 * np.clip(i.score("beard") - 0.2, 0, 2.3)
    if strength <= 0:
        return np.zeros_like(x)
    edge = curve(
        [(0, -8.0), (1.2, -7.6), (3.0, -6.6), (4.6, -5.4), (6.2, -3.2), (8, 1.0)], np.abs(x)
    )
    cheeks = smoothstep(0.7, -0.7, y - edge)
    upper, _, lower = layout.lips(x)
    wide = i.mouth_width / 2 + 0.5
    moustache = smoothstep(-0.05, 0.25, y - upper) * smoothstep(
        0.0, -0.6, y - layout.nose_base_y + 0.09 * x * x
    )
    moustache *= smoothstep(wide + 0.7, wide - 1.0, np.abs(x))
    bare = smoothstep(wide - 0.1, wide - 0.8, np.abs(x)) * smoothstep(-0.35, -0.05, y - lower)
    soul = bump(x, y, (0, i.mouth_height - 1.9), (0.6, 0.7))
    place = np.maximum(cheeks * (1 - bare), 0.95 * moustache) + 0.2 * soul
    place = np.clip(place, 0, 1) * (1 - layout.lip_share(x, y)) * smoothstep(2.6, -1.0, y)
    return np.asarray(np.clip(strength * place * (1 + 0.22 * grain), 0, 0.92), np.float32)


def _brows(head: Head, layout: Layout, rng: np.random.Generator) -> Field:
    i, x, y = head.identity, head.x, head.y
    strength = np.clip(0.78 + 0.13 * i.score("brow_density"), 0.4, 1.0)
    total = np.zeros_like(x)
    texture = noise(rng, (256, 64), (90, 10))
    for side in SIDES:
        along, middle, half = layout.brow(x, side)
        across = (y - middle) / half
        near = (np.abs(across) < 2.2) & (along > -0.25) & (along < 1.25)
        s, t = along[near], across[near]
        # Single hairs: the texture is stretched along lines that lean outwards and upwards.
        lean = np.clip(((s - 0.10 * t * (1.2 - s)) * 200 + 28), 0, 255).astype(int)
        level = np.clip(16 * (t + 2), 0, 63).astype(int)
        hairs = 0.80 + 0.22 * texture[lean, level]
        body = smoothstep(1.15, 0.35, np.abs(t)) * smoothstep(-0.06, 0.12, s)
        body *= smoothstep(1.06, 0.75, s)
        total[near] += np.clip(body * hairs * strength, 0, 0.97)
    return np.minimum(total, 1) * head.front


def paint_eyes(head: Head, paint: Paint, view: View) -> tuple[Paint, Field]:
    """Return the paint with open eyes added, and where the wet eyeball shows (0 … 1).

    The eyes look half way back to the camera when the head turns, as people's do.
    """
    i, layout = head.identity, Layout(head.identity)
    albedo, gloss = paint.albedo.copy(), paint.gloss.copy()
    wet = np.zeros_like(gloss)
    middle = np.abs(head.phi) < 1.2
    rows = np.abs(head.y[:, len(head.phi) // 2]) < 2.4
    window = np.ix_(rows, middle)
    x, y = head.x[window], head.y[window]
    part: Field = np.stack([channel[window] for channel in albedo])
    shine, ball = gloss[window], wet[window]
    for side in SIDES:
        out, up = layout.to_eye(x, y, side)
        upper, lower = layout.lids(out, view)
        span = i.eye_width / 2
        part = _lid_shadows(i, part, out, up, upper, lower)
        depth = np.minimum(upper - up, up - lower)
        slit = smoothstep(-0.035, 0.035, depth) * smoothstep(span + 0.03, span - 0.03, np.abs(out))
        gaze_x = -0.011 * view.yaw * side - 0.03
        gaze_y = 0.05 - 0.010 * view.pitch
        eye = _eyeball(i, out - gaze_x, up - gaze_y, out, upper - up)
        part = mix(part, eye, slit)
        part = _lashes(i, part, out, up, upper, lower)
        shine = mix(shine, 0.25, slit)
        ball = np.maximum(ball, slit)
    for channel, painted in zip(albedo, part, strict=True):
        channel[window] = painted
    gloss[window], wet[window] = shine, ball
    return Paint(albedo, gloss), wet


def _eyeball(i: Identity, dx: Field, dy: Field, out: Field, below: Field) -> Field:
    """Return the colours [3, …] of white, iris and pupil; ``below`` is the depth under the lid."""
    radius = np.sqrt(dx * dx + dy * dy)
    white = colours.linear([208, 200, 194])[:, None, None]
    inner = bump(out, dy, (-i.eye_width / 2 + 0.12, -0.05), (0.2, 0.35))
    white = mix(white, colours.linear([190, 112, 102])[:, None, None], 0.75 * inner)
    white = white * (1 - 0.25 * smoothstep(0.8, 1.5, np.abs(out)))
    iris = colours.iris_colour(i)[:, None, None] * (0.85 + 0.5 * smoothstep(0.5, 0.2, radius))
    iris = mix(iris, iris * np.float32(0.25), smoothstep(0.44, 0.57, radius))
    eye = mix(white, iris, smoothstep(0.62, 0.54, radius))
    eye = mix(eye, np.float32(0.004), smoothstep(0.26, 0.19, radius))
    shadow = 1 - 0.62 * smoothstep(0.34, 0.0, below)
    eye = eye * shadow
    glint = bump(dx, dy, (0.17, 0.2), (0.085, 0.085))
    return mix(eye, np.float32(0.95), np.minimum(1.3 * glint, 1))


def _lid_shadows(
    i: Identity, part: Field, out: Field, up: Field, upper: Field, lower: Field
) -> Field:
    fold = np.clip(0.3 + 0.1 * i.score("lid_fold"), 0.1, 0.55)
    reach = smoothstep(i.eye_width / 2 + 0.35, i.eye_width / 2 - 0.5, np.abs(out - 0.08))
    crease = np.exp(-0.5 * ((up - upper - fold) / np.float32(0.075)) ** 2) * reach
    part = part * (1 - np.array([0.46, 0.56, 0.6], np.float32)[:, None, None] * crease)
    rim = np.exp(-0.5 * ((up - lower + np.float32(0.07)) / np.float32(0.07)) ** 2) * reach
    return part * (1 - np.array([0.10, 0.22, 0.22], np.float32)[:, None, None] * rim)


def _lashes(i: Identity, part: Field, out: Field, up: Field, upper: Field, lower: Field) -> Field:
    span, female = i.eye_width / 2, float(i.masculinity < 0)
    thick = 0.095 + 0.045 * female
    wing = 0.10 * smoothstep(0.4 * span, 1.1 * span, out)  # lashes stand out at the outer corner
    line = up - upper - 0.35 * wing
    top = smoothstep(-0.09, 0.0, line) * smoothstep(thick + wing, 0.3 * thick, line)
    top *= smoothstep(span + 0.05 + 0.12 * female, span - 0.25, out) * smoothstep(
        -span, -span + 0.5, out
    )
    low = np.exp(-0.5 * ((up - lower + np.float32(0.02)) / np.float32(0.05)) ** 2)
    low *= smoothstep(span, span - 0.4, np.abs(out)) * smoothstep(-0.8, 0.5, out)
    ink = np.maximum((0.8 + 0.12 * female) * top, (0.3 + 0.2 * female) * low)
    return mix(part, np.array([0.018, 0.012, 0.01], np.float32)[:, None, None], np.clip(ink, 0, 1))
