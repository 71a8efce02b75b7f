"""What the head needs around it: ears, neck and shoulders in a shirt, and teeth behind the lips."""

from __future__ import annotations

import numpy as np

from facebench.stimuli.rendered import colours
from facebench.stimuli.rendered.fields import Field, bump, curve, mix, noise, smoothstep
from facebench.stimuli.rendered.head import mouth_gap, normals
from facebench.stimuli.rendered.layout import SIDES
from facebench.stimuli.rendered.parameters import Identity, View
from facebench.stimuli.rendered.points import Points, from_grid

_CLOTH_STREAM = 401


def ears(identity: Identity, density: float) -> list[Points]:
    """Return both ears: tilted shells with a raised rim and a hollow."""
    n = int(6.5 * density)
    u, v = np.meshgrid(
        np.linspace(-1, 1, n, dtype=np.float32), np.linspace(-1, 1, n, dtype=np.float32)
    )
    # A square grid on a disc, so that there is no pole.
    a, b = u * np.sqrt(1 - 0.5 * v * v), v * np.sqrt(1 - 0.5 * u * u)
    r = np.hypot(a, b)
    rim = np.exp(-(((r - 0.86) / 0.13) ** 2)) * smoothstep(-0.75, -0.2, b + 0.25 * a)
    inner = np.exp(-(((np.hypot(a + 0.12, b + 0.05) - 0.52) / 0.12) ** 2)) * smoothstep(
        -0.6, 0.0, b
    )
    hollow = bump(a, b, (-0.28, -0.12), (0.3, 0.3))
    relief = 0.34 * rim + 0.26 * inner - 0.55 * hollow + 0.35 * a - 0.3 * smoothstep(0.9, 1.02, r)
    shade = 1 - 0.55 * hollow - 0.25 * np.exp(-(((r - 0.68) / 0.1) ** 2)) * smoothstep(-0.3, 0.2, b)
    half = identity.ear_size / 2
    width = half * (0.56 + 0.12 * b)
    angle = np.radians(identity.ear_angle)
    colour = colours.skin_colour(identity) * np.array([1.03, 0.9, 0.88], np.float32)
    result = []
    for side in SIDES:
        back = 0.9 * width * (a + 0.75)
        x = identity.face_width / 2 - 0.05 + np.sin(angle) * back + np.cos(angle) * relief
        y = -1.0 + half * b + 0.12 * half * a
        z = -0.2 - np.cos(angle) * back + np.sin(angle) * relief
        grid = (side * x, y, z)
        nx, ny, nz = normals(*grid)
        outwards = np.sign((nx * side + nz).mean())
        normal = (outwards * nx, outwards * ny, outwards * nz)
        result.append(
            from_grid(
                grid,
                normal,
                colour[:, None, None] * shade,
                gloss=0.3,
                openness=0.55 + 0.45 * shade,
                skin=1.0,
            )
        )
    return result


def bust(identity: Identity, view: View, density: float) -> Points:
    """Return neck and shoulders; the scene seed of the view picks the shirt."""
    rng = np.random.default_rng([_CLOTH_STREAM, view.scene_seed])
    build = 0.25 * identity.masculinity + 0.1 * identity.score("jaw_width")
    neck = 4.95 + 0.5 * build
    outline = [
        (-24.0, 21.5 + 2 * build), (-20.5, 20 + 2 * build), (-18.2, 16.5 + 1.5 * build),
        (-16.5, 10.8 + build), (-15.0, 7.2 + 0.8 * build), (-13.0, neck + 0.35), (-11.0, neck),
        (-8.5, neck - 0.3), (-6.0, neck - 1.2),
    ]  # fmt: skip
    table = np.linspace(-6.5, -22.5, 400, dtype=np.float32)
    # Rows follow the outline at even steps, or the flat shoulders would have gaps between them.
    walk = np.concatenate(
        [[0], np.cumsum(np.hypot(np.diff(curve(outline, table)), np.diff(table)))]
    )
    rows, columns = int(walk[-1] * density), int(50 * density)
    down = np.interp(np.linspace(0, walk[-1], rows), walk, table).astype(np.float32)
    phi = np.linspace(-1.75, 1.75, columns, dtype=np.float32)
    width = curve(outline, down)[:, None]
    front = curve(
        [(-24, 9.0), (-19, 7.2), (-16.5, 5.2), (-14, 4.6), (-11, 4.4), (-8.5, 3.6), (-6, 1.5)], down
    )[:, None]
    sin, cos = np.sin(phi)[None, :], np.cos(phi)[None, :]
    reach = (np.abs(sin) ** 2.2 + np.abs(cos) ** 2.2) ** np.float32(-1 / 2.2)
    x, z = width * reach * sin, front * reach * cos - 0.8
    y = np.broadcast_to(down[:, None], x.shape).copy()
    for side in SIDES:  # the two muscles from behind the ears to the pit of the neck
        z = z + 0.35 * bump(side * x - 0.45 * (y + 15.8), y, (0.9, -12.5), (0.7, 2.6))
    z = z - 0.5 * bump(x, y, (0, -16.2), (0.8, 0.7))
    cloth, shirt = _shirt(rng, x, y, cos)
    thick = 0.35 * smoothstep(0.0, 0.25, cloth) * (1 + 0.5 * np.exp(-(((cloth - 0.5) / 0.35) ** 2)))
    x, z = x + thick * sin, z + thick * cos
    folds = 0.10 * noise(rng, x.shape, (6, 9)) * smoothstep(0.3, 2.0, cloth)
    z = z + folds
    worn = smoothstep(-0.04, 0.04, cloth)
    skin = colours.skin_colour(identity)[:, None, None] * np.float32(0.97)
    shade = 1 - 0.55 * np.exp(-(((cloth + 0.16) / 0.16) ** 2))
    seam = 1 - 0.35 * np.exp(-(((cloth - 1.0) / 0.07) ** 2))
    albedo = mix(skin * shade, shirt * seam, worn)
    open_sky = 0.35 + 0.65 * smoothstep(-10.5, -17.0, y)
    return from_grid(
        (x, y, z),
        _outward(x, y, z),
        albedo,
        gloss=0.25 * (1 - worn),
        openness=open_sky,
        skin=1 - worn,
    )


def _outward(x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
    nx, ny, nz = normals(x, y, z)
    flip = np.sign(nz[:, nz.shape[1] // 2].mean())
    return flip * nx, flip * ny, flip * nz


def _shirt(rng: np.random.Generator, x: Field, y: Field, cos: Field) -> tuple[Field, Field]:
    """Return the distance below the neckline (above 0 on cloth) and the colours of the cloth."""
    depth = rng.choice([0.0, 0.0, 2.6, 4.5])
    edge = -13.9 - 1.5 * smoothstep(0.2, 1.0, cos) - depth * np.maximum(1 - np.abs(x) / 4.2, 0)
    colour: Field = colours.cloth_colour(rng)[:, None, None] * np.ones_like(x)
    if rng.random() < 0.3:
        stripes = smoothstep(
            -0.2, 0.2, np.sin((y if rng.random() < 0.6 else x) * rng.uniform(1.5, 4))
        )
        colour = mix(colour, colours.cloth_colour(rng)[:, None, None], stripes * 0.8)
    return np.asarray(edge - y, np.float32), colour


def teeth(identity: Identity, view: View, lip_z: float, density: float) -> Points | None:
    """Return the inside of an open mouth; None when it is closed."""
    gap = mouth_gap(view)
    if gap < 0.05:
        return None
    rows, columns = int((gap + 1.1) * density), int(identity.mouth_width * density)
    half = 0.47 * identity.mouth_width
    line = identity.mouth_height
    down, x = np.meshgrid(
        np.linspace(0, 1, rows, dtype=np.float32),
        np.linspace(-half, half, columns, dtype=np.float32),
        indexing="ij",
    )
    # A lens that fills the gap and ends behind the lips all round.
    open_here = np.maximum(1 - (x / half) ** 2, 0)
    y = line + 0.4 * open_here - (0.55 * np.sqrt(open_here) + gap * open_here) * down
    z = lip_z - 0.5 - 0.13 * x * x
    edge = line - 0.42 + 0.05 * x * x
    tooth = smoothstep(-0.06, 0.06, y - edge) * smoothstep(2.3, 1.7, np.abs(x))
    gaps = 1 - 0.22 * np.exp(-(((np.abs((x / 0.78) % 1 - 0.5) - 0.5) / 0.06) ** 2))
    dark = colours.linear([62, 24, 22])[:, None, None] * smoothstep(line - 2.2, line - 0.3, y)
    tongue = colours.linear([150, 74, 72])[:, None, None]
    inside = mix(dark + 0.003, tongue * np.float32(0.55), bump(x, y, (0, line - 1.7), (1.2, 0.5)))
    albedo = mix(inside, colours.linear([226, 217, 200])[:, None, None] * gaps, tooth)
    y = y + 0.42 * view.smile * bump(np.abs(x), x, (identity.mouth_width / 2, 0), (1.15, 50.0))
    flat = np.zeros_like(x)
    return from_grid(
        (x, y, z),
        (0.12 * x, flat, flat + 1),
        albedo * np.float32(0.85),
        gloss=0.15,
        openness=1.0 - 0.16 * np.abs(x),
    )
