"""Rendered faces: parametric people drawn as lit surfaces, byte-identical for equal seeds.

`camera.render_face` draws one face from an identity and a view (`parameters`, `sampling`);
`sets.make_rendered_faces` writes a folder of them. The other modules build the head: surface,
hair, body, light and background. Lengths are in centimetres, colours are linear RGB.
"""
