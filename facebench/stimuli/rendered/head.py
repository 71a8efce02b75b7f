"""The head as a dense grid of surface points: a lofted skull with the relief of the face on it.

The skull is a stack of horizontal superellipses whose half width and depth follow smooth profiles;
the face adds a height field along z, made of smooth bumps placed by `Layout`. Expressions move the
points afterwards, so paint and landmarks travel with the skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebench.stimuli.rendered.fields import Field, blurred, bump, curve, smoothstep
from facebench.stimuli.rendered.layout import SIDES, Layout
from facebench.stimuli.rendered.parameters import Identity, View

_CROWN = 2.5  # superellipse exponent of the vault; 2 would be an egg standing on its end


@dataclass(frozen=True)
class Skull:
    """The smooth head without a face: profiles over the height ``s`` in -1 (chin) … 1 (crown)."""

    identity: Identity

    def profiles(self, s: Field) -> tuple[Field, Field, Field, Field]:
        """Return half width, front depth, back depth and superellipse exponent at heights ``s``."""
        i = self.identity
        face, cranium, jaw = i.face_width / 2, i.head_width / 2, i.jaw_width / 2
        full = 0.12 * i.score("cheek_fullness")
        width = curve(
            [
                (-1.0, 0.80 * jaw), (-0.9, 0.93 * jaw), (-0.75, 1.04 * jaw + 0.4 * full),
                (-0.5, 0.4 * jaw + 0.6 * face + full), (-0.25, face), (0.0, 0.5 * (face + cranium)),
                (0.3, cranium), (0.6, cranium * 0.985), (1.0, cranium * 0.9),
            ],
            s,
        )  # fmt: skip
        chin = 0.3 * i.score("chin_projection")
        slope = 0.25 * i.score("forehead_bulge")
        front = curve(
            [
                (-1.0, 8.75 + chin), (-0.85, 8.85 + 0.8 * chin), (-0.6, 9.05 + 0.2 * chin),
                (-0.35, 8.95), (0.0, 9.1), (0.2, 9.45), (0.45, 9.4 + slope), (0.7, 9.0 + slope),
                (1.0, 8.3),
            ],
            s,
        )  # fmt: skip
        back = curve([(-1.0, 2.0), (-0.7, 6.2), (-0.3, 8.6), (0.2, 9.8), (1.0, 9.2)], s)
        pointed = 0.16 * i.score("chin_width")
        exponent = curve([(-1.0, 2.2 + pointed), (-0.6, 2.15), (-0.2, 2.3), (1.0, 2.25)], s)
        return width, front, back, exponent

    def level(self, x: Field, y: Field, z: Field) -> Field:
        """Return 1 for points on the scalp, less inside and more outside (for the hair)."""
        s = np.maximum(y / np.float32(self.identity.forehead_height), 0)
        width, front, back, exponent = self.profiles(np.minimum(s, 1))
        depth = np.where(z > 0, front, back)
        ring = np.abs(x / width) ** exponent + np.abs(z / depth) ** exponent
        return np.asarray((s**_CROWN + ring ** (_CROWN / exponent)) ** (1 / _CROWN), np.float32)


@dataclass(frozen=True)
class Head:
    """The neutral head of one person as a grid of points (rows from chin to crown)."""

    identity: Identity
    x: Field  # [rows, columns], centimetres
    y: Field
    z: Field
    phi: Field  # [columns], radians from straight ahead
    front: Field  # [rows, columns], 1 on the face, 0 at the sides
    cavity: Field  # [rows, columns], above 0 in hollows, below 0 on ridges

    def vertex_at(self, x: Field, y: Field) -> NDArray[np.intp]:
        """Return the flat indices of the frontal points nearest to face coordinates (x, y)."""
        # Not further round: below the chin the sides come close to x = 0 again.
        ahead = np.flatnonzero(np.abs(self.phi) < 0.9)
        grid_x, grid_y = self.x[:, ahead], self.y[:, ahead]
        flat = []
        for px, py in zip(np.atleast_1d(x), np.atleast_1d(y), strict=True):
            nearest = np.argmin((grid_x - px) ** 2 + (grid_y - py) ** 2)
            row, column = divmod(int(nearest), len(ahead))
            flat.append(row * len(self.phi) + int(ahead[column]))
        return np.array(flat, dtype=np.intp)


def build_head(identity: Identity, density: float) -> Head:
    """Build the neutral head with about ``density`` points per centimetre on the face."""
    rows, columns = int(28 * density), int(27 * density)
    u = np.linspace(-1, 1, rows, dtype=np.float32)
    s = np.sign(u) * (1 - (1 - np.abs(u)) ** np.float32(1.2))
    v = np.linspace(-1, 1, columns, dtype=np.float32)
    phi = np.float32(2.5) * (0.68 * v + 0.32 * v**3)
    x, y, z = _loft(identity, s, phi)
    front = smoothstep(0.12, 0.55, np.cos(phi))[None, :] * np.ones_like(x)
    x = x + front * (0.05 * identity.score("asymmetry")) * bump(x, y, (1.0, -6.0), (4.0, 5.0))
    raised = _relief(identity, x, y) * front
    z = z + raised
    # Wide blur minus narrow: hollows get less of the light that comes from all around.
    cavity = blurred(raised, 0.45 * density) - raised
    return Head(identity, x, y, z, phi, front, cavity)


def _loft(identity: Identity, s: Field, phi: Field) -> tuple[Field, Field, Field]:
    width, front, back, exponent = (p[:, None] for p in Skull(identity).profiles(s))
    height = np.where(s > 0, identity.forehead_height, identity.chin_length)
    # The crown closes as a rounded box; the chin more squarely, so that it has a flat underside.
    closing = np.where(
        s > 0, (1 - np.abs(s) ** _CROWN) ** (1 / _CROWN), np.sqrt(1 - np.abs(s) ** 7.0)
    )
    closing = closing.astype(np.float32)[:, None]
    sin, cos = np.sin(phi)[None, :], np.cos(phi)[None, :]
    reach = (np.abs(sin) ** exponent + np.abs(cos) ** exponent) ** (-1 / exponent)
    depth = np.where(cos > 0, front, back)
    x = width * closing * reach * sin
    z = depth * closing * reach * cos
    # The jaw rises from the chin towards the ears.
    rise = identity.jaw_drop * smoothstep(-0.2, -1.0, s)[:, None]
    turn = np.minimum(1 - cos, 1.25) ** np.float32(1.5 + 0.17 * identity.score("chin_width"))
    y = (height * s)[:, None] + rise * turn
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def _relief(identity: Identity, x: Field, y: Field) -> Field:
    """Return how far the face stands out from the skull, in centimetres along z."""
    layout = Layout(identity)
    return (
        _sockets(identity, layout, x, y)
        + _cheeks_and_chin(identity, layout, x, y)
        + _nose(identity, layout, x, y)
        + _lips(identity, layout, x, y)
    )


def _sockets(identity: Identity, layout: Layout, x: Field, y: Field) -> Field:
    i, dz = identity, np.zeros_like(x)
    ridge = 0.24 + 0.17 * i.score("brow_ridge")
    depth = 0.85 + 0.14 * i.score("eye_depth")
    fold = np.clip(0.3 + 0.1 * i.score("lid_fold"), 0.1, 0.55)
    for side in SIDES:
        out, up = layout.to_eye(x, y, side)
        dz += ridge * bump(side * x, y, (2.6, i.brow_height - 0.1), (1.7, 0.55))
        dz -= depth * bump(out, up, (-0.1, 0.1), (1.55, 0.95))
        dz -= 0.40 * bump(side * x, y, (i.eye_spacing / 2 - 1.65, 0.25), (0.55, 0.75))
        dz += 0.52 * bump(out, up, (0.0, 0.0), (1.1, 0.72))
        # The crease of the upper lid and the soft edge of the pouch below the eye.
        upper, lower = layout.lids(out)
        near = bump(out, up, (0.05, 0.2), (1.1, 2.0))
        dz -= 0.07 * near * np.exp(-0.5 * ((up - upper - fold) / np.float32(0.09)) ** 2)
        pouch = 0.03 + 0.035 * max(i.score("age"), 0.0)
        dz -= (
            pouch * near * np.exp(-0.5 * ((up - lower + np.float32(0.62)) / np.float32(0.16)) ** 2)
        )
        # Behind the lids the eyeball lies a little deeper, which gives the lids their edge.
        slit = smoothstep(-0.02, 0.05, np.minimum(upper - up, up - lower))
        dz -= 0.11 * slit * (np.abs(out) < i.eye_width / 2)
    wrinkle = 0.035 * max(i.score("age") - 0.4, 0.0)
    for height in (3.7, 4.6, 5.5):
        wave = y - height - 0.12 * np.cos(1.1 * np.abs(x) + height)
        dz -= wrinkle * np.exp(-((wave / np.float32(0.11)) ** 2)) * bump(x, y, (0, 4.5), (3.0, 1.6))
    return dz


def _cheeks_and_chin(identity: Identity, layout: Layout, x: Field, y: Field) -> Field:
    i, dz = identity, np.zeros_like(x)
    bone = 0.30 + 0.16 * i.score("cheekbones")
    full = 0.10 + 0.18 * i.score("cheek_fullness")
    fold = 0.09 + 0.07 * max(i.score("age") + 0.3, 0.0)
    for side in SIDES:
        dz += bone * bump(side * x, y, (4.7, -2.3), (1.5, 1.1))
        dz += full * bump(side * x, y, (3.9, -5.6), (1.5, 1.8))
        start = i.nose_width / 2 + 0.25
        run = (layout.nose_tip_y + 0.3 - y) / np.float32(3.2)
        path = start + 0.95 * np.clip(run, -0.5, 1.5) ** 2 * np.sign(run) + 0.35 * run
        groove = np.exp(-0.5 * ((side * x - path) / np.float32(0.34)) ** 2)
        dz -= fold * groove * bump(run, run, (0.45, 0.45), (0.42, 0.42))
    dz += (0.32 + 0.12 * i.score("chin_projection")) * bump(
        x, y, (0, -i.chin_length + 1.15), (1.25 + 0.25 * i.score("chin_width"), 0.85)
    )
    sulcus = 0.5 * (i.mouth_height - max(i.lower_lip, 0.3) - i.chin_length + 1.0)
    dz -= 0.28 * bump(x, y, (0, sulcus + 0.25), (1.7, 0.5))
    return dz


def _nose(identity: Identity, layout: Layout, x: Field, y: Field) -> Field:
    i = identity
    tip, base = layout.nose_tip_y, layout.nose_base_y
    drop = tip - base
    out = max(i.nose_projection, 1.2)
    bridge = max(0.5 + 0.16 * i.score("nose_bridge_height"), 0.2)
    hump = 0.1 * i.score("nose_hump")
    lift = 0.07 * i.score("nose_tip_lift")
    # Below, the profile ends the higher the farther from the middle: the tip is round, not cut.
    low = smoothstep(tip + 1.3, tip - 0.2, y)
    height = curve(
        [
            (3.4, 0.0), (2.5, 0.0), (1.3, 0.28 * bridge + 0.1), (0.35, bridge),
            (0.5 * tip + 0.2, bridge + 0.42 * (out - bridge) + hump),
            (0.8 * tip, bridge + 0.78 * (out - bridge) + 0.5 * hump - lift),
            (tip + 0.05, out), (tip - 0.3 * drop, 0.92 * out),
            (tip - 0.62 * drop, 0.72 * out + lift), (tip - 0.95 * drop, 0.42 * out),
            (base - 0.35, 0.18), (base - 1.1, 0.0), (base - 2.0, 0.0),
        ],
        y - 0.62 * low * (1 - np.exp(-1.1 * x * x)),
    )  # fmt: skip
    slim = 1 + 0.13 * i.score("nose_bridge_width")
    half = curve(
        [
            (2.0, 1.6), (0.4, 0.98 * slim), (0.5 * tip, 1.14 * slim),
            (tip, 1.14 + 0.09 * i.score("nose_tip_size")), (base, 1.0), (base - 1.0, 0.9),
        ],
        y,
    )  # fmt: skip
    dz = height * np.exp(-((x / half) ** 2))
    ball = max(0.30 + 0.08 * i.score("nose_tip_size"), 0.06)
    dz += ball * bump(x, y, (0, tip + 0.1), (0.82, 0.55))
    wing = i.nose_width / 2 - 0.40
    for side in SIDES:
        dz += 0.62 * bump(side * x, y, (wing, tip - 0.04), (0.42, 0.40))
        # The furrow above and beside the wing sets it off from the tip and from the cheek.
        dz -= 0.16 * bump(side * x, y, (wing - 0.25, tip + 0.55), (0.38, 0.30))
        dz -= 0.14 * bump(side * x, y, (wing + 0.66, tip - 0.05), (0.26, 0.45))
        dz -= 0.16 * bump(side * x, y, (0.58 * wing, base + 0.26), (0.28, 0.17))
    return dz


def _lips(identity: Identity, layout: Layout, x: Field, y: Field) -> Field:
    i = identity
    upper, line, lower = layout.lips(x)
    full = max(0.30 + 0.09 * i.score("lip_fullness"), 0.12)
    across = np.sqrt(bump(x, y, (0, i.mouth_height), (0.33 * i.mouth_width, 50.0)))
    ends = smoothstep(i.mouth_width / 2 + 0.1, i.mouth_width / 2 - 0.7, np.abs(x))
    # The teeth carry the whole region forward; each lip is a roll upon it.
    dz = 0.34 * bump(x, y, (0, i.mouth_height), (2.3, 1.5))
    top_middle, top_half = 0.55 * upper + 0.45 * line, np.maximum(0.75 * (upper - line), 0.16)
    low_middle, low_half = 0.5 * (lower + line), np.maximum(0.62 * (line - lower), 0.2)
    dz += full * across * ends * np.exp(-(((y - top_middle) / top_half) ** 2))
    dz += 1.15 * full * across * ends * np.exp(-(((y - low_middle) / low_half) ** 2))
    dz -= (0.10 + 0.2 * full) * ends * np.exp(-(((y - line) / np.float32(0.1)) ** 2))
    dz -= 0.12 * bump(x, y, (0, 0.5 * (i.mouth_height + layout.nose_base_y)), (0.27, 0.6))
    for side in SIDES:
        dz -= 0.16 * bump(side * x, y, (i.mouth_width / 2 + 0.1, i.mouth_height), (0.3, 0.35))
    return dz


def express(head: Head, view: View) -> tuple[Field, Field, Field]:
    """Return the points of the head moved by the expression of a view."""
    i, layout = head.identity, Layout(head.identity)
    x, y, z = head.x.copy(), head.y.copy(), head.z.copy()
    rows = slice(0, int(np.searchsorted(head.y[:, len(head.phi) // 2], 5.0)))
    fx, fy, front = head.x[rows], head.y[rows], head.front[rows]
    dx, dy, dz = np.zeros_like(fx), np.zeros_like(fx), np.zeros_like(fx)
    corner = (i.mouth_width / 2, i.mouth_height)
    for side in SIDES:
        pull = bump(side * fx, fy, corner, (1.15, 0.95)) * np.float32(view.smile)
        dx += side * 0.42 * pull
        dy += 0.42 * pull
        dz -= 0.22 * pull
        if view.smile > 0:
            cheek = bump(side * fx, fy, (3.7, -3.4), (1.3, 1.1)) * np.float32(view.smile)
            dz += 0.38 * cheek
            dy += 0.22 * cheek
            run = (layout.nose_tip_y + 0.2 - fy) / np.float32(3.2)
            path = i.nose_width / 2 + 0.4 + 1.1 * np.clip(run, 0, 1.4)
            groove = np.exp(-0.5 * ((side * fx - path) / np.float32(0.25)) ** 2)
            dz -= 0.16 * view.smile * groove * bump(run, run, (0.45, 0.45), (0.36, 0.36))
        brow = bump(side * fx, fy, (3.2, i.brow_height + 0.2), (2.2, 0.85))
        dy += 0.38 * view.brow_raise * brow
    if view.mouth_open > 0:
        _, line, _ = layout.lips(fx)
        u = fx / np.float32(i.mouth_width / 2)
        gap = np.float32(mouth_gap(view)) * np.maximum(1 - u * u, 0)
        below = (fy < line).astype(np.float32)
        jaw = smoothstep(i.mouth_height - 0.1, i.mouth_height - 2.4, fy) * bump(
            fx, fx, (0, 0), (5, 5)
        )
        fade = smoothstep(i.mouth_height - 3.0, i.mouth_height - 0.3, fy)
        dy -= below * gap * fade + 0.75 * np.float32(mouth_gap(view)) * jaw * (1 - fade * below)
        dy += (1 - below) * 0.12 * gap * smoothstep(i.mouth_height + 1.6, i.mouth_height, fy)
    x[rows] += dx * front
    y[rows] += dy * front
    z[rows] += dz * front
    return x, y, z


def mouth_gap(view: View) -> float:
    """Return how far the lips part at the middle of the mouth, in centimetres."""
    return 1.5 * max(view.mouth_open, 0.0)


def normals(x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
    """Return the outward unit normals of a grid of points."""
    ux, uy, uz = (np.gradient(c, axis=1) for c in (x, y, z))
    vx, vy, vz = (np.gradient(c, axis=0) for c in (x, y, z))
    return _unit(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)


def softened(normal: tuple[Field, Field, Field], reach: float) -> tuple[Field, Field, Field]:
    """Return normals as translucent skin seems to have them.

    Light spreads below the surface before it leaves, so that ridges and creases narrower than
    ``reach`` grid points shade less than their shape would.
    """
    nx, ny, nz = (0.4 * n + 0.6 * blurred(n, reach) for n in normal)
    return _unit(nx, ny, nz)


def _unit(nx: Field, ny: Field, nz: Field) -> tuple[Field, Field, Field]:
    scale = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
    return nx * scale, ny * scale, nz * scale
