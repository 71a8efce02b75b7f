"""The usual face data sets: what each should look like on disk, and its official protocol.

Nothing is downloaded and nothing of them is part of facebench: `catalogue` describes them,
`preparing` turns an unpacked archive into tables of pairs.
"""
