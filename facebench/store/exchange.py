"""Between stores and packs: rows of a store published, packs taken in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facebench.store.embedding_store import EmbeddingStore
from facebench.store.layer_index import DIGEST_BYTES, as_digests
from facebench.store.pack_files import OF_LAYERS, PackFile, PackLayer, write_pack
from facebench.store.packs import Packs
from facebench.store.rows import StoreDtype
from facebench.store.upkeep import LayerInfo

__all__ = ["Exchanged", "export_store", "import_packs", "publish"]

# Of a pack, about: larger ones are awkward to copy.
_LARGEST = 1 << 30
_AT_ONCE = 64 << 20


@dataclass
class Exchanged:
    """What was published or taken in.

    Attributes
    ----------
    packs : int
        Packs that were written, or had something new.
    rows : int
        Rows that were new.
    notes : int
        Images whose remarks alone were new.
    left_out : set of (str, str, bytes)
        Rows that were not taken in, as they are damaged or packs contradict each other: the
        layer's key, the type, and the image.
    """

    packs: int = 0
    rows: int = 0
    notes: int = 0
    left_out: set[tuple[str, str, bytes]] = field(default_factory=set)

    def add(self, other: Exchanged) -> None:
        """Add what another exchange did."""
        self.packs += other.packs
        self.rows += other.rows
        self.notes += other.notes
        self.left_out |= other.left_out


def publish(
    store: EmbeddingStore,
    packs: Packs,
    layers: Sequence[PackLayer],
    images: Sequence[bytes],
    *,
    notes_key: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Exchanged:
    """Write what a store has of some images, and packs do not, into new packs.

    Parameters
    ----------
    store : EmbeddingStore
        Whose rows are published.
    packs : Packs
        Where to. Look at them before, so that what others have published is known.
    layers : sequence of PackLayer
        What to publish.
    images : sequence of bytes
        Digests of the images.
    notes_key : str
        What determines the remarks on the images; images without any are left out. '' if there are
        none to publish.
    facts : mapping, optional
        Small values that belong to the rows.
    """
    images = sorted({image[:DIGEST_BYTES] for image in images})
    if notes_key:
        noted = store.notes(notes_key, images)
        images = [image for image, notes in zip(images, noted, strict=True) if notes is not None]
    done = Exchanged()
    if not images:
        return done
    stores = {dtype: _of_type(store, dtype) for dtype in {layer.dtype for layer in layers}}
    for members, chosen in _groups(stores, packs, layers, images, notes_key):
        each = sum(4 * layer.width for layer in members) + DIGEST_BYTES
        step = max(1, _LARGEST // each)
        for first in range(0, len(chosen), step):
            part = _in_order(chosen[first : first + step], max(1, _AT_ONCE // each))
            notes = store.notes(notes_key, part) if notes_key else []
            write_pack(
                packs.folder,
                members,
                part,
                lambda layer, some: stores[layer.dtype].read(layer.key, some)[0],
                notes_key=notes_key,
                notes=[said or () for said in notes],
                facts=facts,
            )
            done.packs += 1
            done.rows += len(part) * len(members)
            done.notes += 0 if members else len(part)
    if done.packs:
        packs.look()
    return done


def _in_order(images: list[bytes], at_once: int) -> list[bytes]:
    """Order images by digest among those that are read at once.

    So the same few rows make the same pack, and of many, each part of the store is read once.
    """
    starts = range(0, len(images), at_once)
    return [image for first in starts for image in sorted(images[first : first + at_once])]


def _groups(
    stores: Mapping[StoreDtype, EmbeddingStore],
    packs: Packs,
    layers: Sequence[PackLayer],
    images: list[bytes],
    notes_key: str,
) -> list[tuple[list[PackLayer], list[bytes]]]:
    """Give layers with the images of which a store has sound rows and packs have none.

    Images come in the order in which their rows lie in the store, so that a pack has what lies
    together.
    """
    digests = as_digests(images)
    groups: dict[bytes, tuple[list[PackLayer], list[bytes]]] = {}
    for layer in layers:
        new = np.flatnonzero(~packs.has((layer.key, layer.dtype), digests))
        wanted = [images[n] for n in new]
        # What is damaged is found by reading.
        blocks = stores[layer.dtype].read_blocks(layer.key, wanted)
        sound = np.concatenate([np.empty(0, dtype=np.intp), *(new[places] for places, _ in blocks)])
        if len(sound):
            mask = np.zeros(len(images), dtype=bool)
            mask[sound] = True
            members, _images = groups.setdefault(mask.tobytes(), ([], [images[n] for n in sound]))
            members.append(layer)
    if notes_key and not layers:
        known = packs.notes(notes_key)
        if unknown := [image for image in images if image not in known]:
            return [([], unknown)]
    return list(groups.values())


def export_store(store: EmbeddingStore, packs: Packs) -> Exchanged:
    """Publish all that a store has and packs do not.

    Parameters
    ----------
    store : EmbeddingStore
        The store.
    packs : Packs
        Where to.
    """
    contents = store.contents()
    done = Exchanged()
    facts = {key: value for key, value in contents.facts.items() if key.startswith(OF_LAYERS)}
    new = {key: value for key, value in facts.items() if packs.recall(key) is None}
    by_images: dict[bytes, tuple[list[bytes], list[PackLayer]]] = {}
    for described, images in contents.layers:
        images = sorted(images)
        mark = hashlib.blake2b(b"".join(images)).digest()
        by_images.setdefault(mark, (images, []))[1].append(_layer(described))
    for images, layers in by_images.values():
        done.add(publish(store, packs, layers, images, facts=new))
    for notes_key, images in contents.notes.items():
        done.add(publish(store, packs, [], images, notes_key=notes_key, facts=new))
    return done


def _layer(described: LayerInfo) -> PackLayer:
    return PackLayer(
        described.key,
        "float16" if described.dtype == "float16" else "float32",
        described.width,
        described.model,
        described.layer,
        {str(key): str(value) for key, value in json.loads(described.details).items()},
    )


def import_packs(packs: Packs, store: EmbeddingStore) -> Exchanged:
    """Take into a store what packs have and it does not.

    Parameters
    ----------
    packs : Packs
        The packs.
    store : EmbeddingStore
        Where to; it must not read these packs itself.
    """
    done = Exchanged()
    for file in list(packs.files):
        with packs.refusing(file.path.name):
            done.add(_imported(packs, store, file))
    return done


def _imported(packs: Packs, store: EmbeddingStore, file: PackFile) -> Exchanged:
    """Take in what a pack has and a store does not; all of it is read before anything is kept."""
    images = [image.tobytes() for image in file.images()]
    facts = file.facts().items()
    file.notes()
    kept = packs.notes(file.notes_key) if file.notes_key else {}
    done = Exchanged()
    if file.notes_key and not file.layers:
        known = store.notes(file.notes_key, images)
        new = [image for image, notes in zip(images, known, strict=True) if notes is None]
        store.write({}, new, [kept.get(image, ()) for image in new], file.notes_key)
        done.notes += len(new)
    for layer in file.layers:
        done.add(_take(packs, store, layer, images, file.notes_key, kept))
    store.remember_all({key: value for key, value in facts if store.recall(key) is None})
    done.packs = int(done.rows + done.notes > 0)
    return done


def _take(
    packs: Packs,
    store: EmbeddingStore,
    layer: PackLayer,
    images: list[bytes],
    notes_key: str,
    notes: Mapping[bytes, Sequence[str]],
) -> Exchanged:
    """Take in a layer's rows that a store lacks."""
    own = _of_type(store, layer.dtype)
    missing = [images[n] for n in np.flatnonzero(~own.has(layer.key, images))]
    step = max(1, _AT_ONCE // (4 * layer.width))
    done = Exchanged()
    for first in range(0, len(missing), step):
        part = missing[first : first + step]
        rows, found = packs.read((layer.key, layer.dtype), as_digests(part))
        whole = [part[n] for n in np.flatnonzero(found)]
        done.left_out |= {(layer.key, layer.dtype, part[n]) for n in np.flatnonzero(~found)}
        if not whole:
            continue
        remarks = [notes.get(image, ()) for image in whole] if notes_key else None
        own.write({layer.key: rows}, whole, remarks, notes_key or None)
        done.rows += len(whole)
    if done.rows:
        own.describe(layer.key, model=layer.model, layer=layer.layer, details=layer.details)
    return done


def _of_type(store: EmbeddingStore, dtype: StoreDtype) -> EmbeddingStore:
    if store.dtype == dtype:
        return store
    return EmbeddingStore(store.folder, dtype, read_only=store.read_only, packs=store.packs)
