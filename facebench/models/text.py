"""Names and descriptions of images, encoded by CLIP's text tower or any function."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from typing_extensions import override

from facebench.data.embedding_files.columns import name_column
from facebench.data.embedding_files.opening import the_file
from facebench.data.pairs import require_column
from facebench.data.tables import read_text_table
from facebench.errors import InputError
from facebench.models.embeddings import NamedVectors, without_beginning
from facebench.models.recorded import chosen_layers
from facebench.types import FloatArray, HubSource, StrPath
from facebench.utils.importing import CodeName, import_code
from facebench.utils.suggestions import did_you_mean, first_line, listed

__all__ = ["TextModel"]

_log = logging.getLogger(__name__)

TextEncoder: TypeAlias = "str | CodeName | Callable[[list[str]], Any]"
_CLIP, _LAYER = "clip", "text"
_OWNER = "TextModel"
_TOGETHER, _SHOWN = 32, 3


class TextModel(NamedVectors):
    r"""What images are called or described as, encoded by CLIP's text tower or another encoder.

    It needs no pixels: a table says the text of each image. Every task runs on it, beside networks
    that see the images.

    Parameters
    ----------
    name : str
        Display name, unique in a run.
    file : str or Path
        A .csv or .tsv table with a row per image: a column of names and one of texts.
    encoder : str or callable, default 'clip'
        'clip'; or ``module:function`` (``file.py:function``), a function of a list of texts that
        returns an array [texts, features].
    extract_layers : str or list of str, optional
        There is one layer, 'text'.
    text : str, default 'text'
        The column of texts.
    image : str, optional
        The column of names. None looks for 'image', 'images', 'name', 'filename' and the like.
    version : str, default 'ViT-B/32'
        Of 'clip': see `CLIPModel`. A local folder holds the tokenizer too.
    strip : str, optional
        See `EmbeddingsModel`.

    Attributes
    ----------
    notes : list of str
        Remarks on the texts, such as how many were too long, once they are encoded.

    Raises
    ------
    InputError
        If the table lacks a column or a text, has two texts for an image, or the encoder cannot be
        used.
    MissingWeightsError, WeightsError, ModelError
        If CLIP cannot be loaded; see `CLIPModel`.

    Notes
    -----
    Texts are encoded when they are first needed, each different one once. Texts that are longer
    than the text tower reads (77 tokens of CLIP) are cut off, and counted in a warning. The digest
    of the record covers the table, the weights and the tokens; of a function its file and the
    vectors that it gave.

    References
    ----------
    A. Radford et al., "Learning transferable visual models from natural language supervision",
    ICML 2021.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "names.csv"
    >>> _ = file.write_text("image,text\na.jpg,Ann\nb.jpg,Bob\n")
    >>> model = TextModel("names", file, lambda texts: [[len(text), 1.0] for text in texts])
    >>> model.vectors["text"].tolist()
    [[3.0, 1.0], [3.0, 1.0]]
    """

    noun: ClassVar[str] = "text"

    def __init__(
        self,
        name: str,
        file: StrPath,
        encoder: TextEncoder | CodeName = _CLIP,
        extract_layers: str | Iterable[str] | None = None,
        *,
        text: str = "text",
        image: str | None = None,
        version: HubSource = "ViT-B/32",
        strip: str = "",
    ) -> None:
        super().__init__(name, [the_file(file, "file")])
        self.extract_layers = chosen_layers(extract_layers, [_LAYER])
        self.version = str(version)
        self.notes: list[str] = []
        names, self.texts = _read(self.file, text, image)
        self.image_names = without_beginning(names, strip, self.file)
        self._refuse_contradictions()
        self._encode = _encoder(encoder)

    def _refuse_contradictions(self) -> None:
        """Refuse an image with two texts."""
        known: dict[str, str] = {}
        for image, text in zip(self.image_names, self.texts, strict=True):
            other = known.setdefault(image, text)
            if other != text:
                msg = (
                    f"{self.file} has two texts for {image!r}: {other!r:.100} and {text!r:.100}. "
                    "Keep one, or join them."
                )
                raise InputError(msg)

    @cached_property
    @override
    def vectors(self) -> dict[str, FloatArray]:  # type: ignore[override]
        """The vectors of the texts, a row per row of the table."""
        different = list(dict.fromkeys(self.texts))
        total = hashlib.sha256(self.digest.encode())
        if self._encode is None:
            rows, tokens = self._by_clip(different)
            total.update(f"{self.weights_digest} {tokens}".encode())
        else:
            rows = _called(self._encode, different)
            total.update(_code_of(self._encode))
            total.update(rows.tobytes())
        self.digest = total.hexdigest()
        for note in self.notes:
            _log.warning("Model %r: %s", self.name, note)
        place = {text: row for row, text in enumerate(different)}
        return {_LAYER: rows[[place[text] for text in self.texts]]}

    def _by_clip(self, texts: list[str]) -> tuple[FloatArray, list[list[int]]]:
        """Encode texts by CLIP's text tower, and give the tokens it was given."""
        import torch

        from facebench.models.clip import clip_source
        from facebench.models.clip_text import load_text_tower, state_digest

        source = clip_source(self.version, _OWNER)
        network, tokenizer = load_text_tower(source, _OWNER)
        most = int(network.config.max_position_embeddings)
        self.weights_digest = state_digest(network)
        tokens = [tokenizer(text, verbose=False)["input_ids"] for text in texts]
        long = [text for text, own in zip(texts, tokens, strict=True) if len(own) > most]
        if long:
            shown = "; ".join(f"{text[:60]!r}" for text in long[:_SHOWN])
            self.notes.append(
                f"{len(long)} of {len(texts)} texts are longer than the {most} tokens that CLIP "
                f"reads, and are cut off there: {shown}{'; …' if len(long) > _SHOWN else ''}."
            )
        unknown = tokenizer.unk_token_id
        end = tokenizer.eos_token_id
        if unknown is not None and unknown != end:
            lost = sum(unknown in own for own in tokens)
            if lost:
                self.notes.append(f"{lost} of {len(texts)} texts have words that CLIP cannot read.")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), _TOGETHER):
                cut = [_cut_to(own, most) for own in tokens[start : start + _TOGETHER]]
                given = tokenizer.pad({"input_ids": cut}, return_tensors="pt", verbose=False)
                found = network(
                    input_ids=given["input_ids"], attention_mask=given["attention_mask"]
                )
                parts.append(found.text_embeds.float().numpy())
        return np.concatenate(parts), tokens


def _cut_to(tokens: list[int], most: int) -> list[int]:
    """Cut a text off before its last token, which says that it ends."""
    return tokens if len(tokens) <= most else [*tokens[: most - 1], tokens[-1]]


def _read(path: Path, text: str, image: str | None) -> tuple[list[str], list[str]]:
    """Read the names and the texts of a table."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        msg = f"The 'file' of {_OWNER} must be a .csv or .tsv table. Got {path} instead."
        raise InputError(msg)
    table = read_text_table(path, (text,)).rows
    columns = [str(column) for column in table.columns]
    if len(set(columns)) < len(columns):
        msg = f"{path} must name each column once. It has: {listed(columns)}."
        raise InputError(msg)
    if text not in columns:
        msg = (
            f"The 'text' parameter of {_OWNER} must be a column of {path.name} (it has: "
            f"{listed(columns)}). Got {text!r} instead.{did_you_mean(text, columns)}"
        )
        raise InputError(msg)
    others = [column for column in columns if column != text]
    if image is None:
        image = name_column(path, others, None)
    if table.empty:
        msg = f"{path} has a header but no texts."
        raise InputError(msg)
    cells = table.mask(table.map(lambda cell: not str(cell).strip()))
    names, texts = (
        require_column(cells, column, parameter=parameter, owner=_OWNER, path=path)
        for column, parameter in ((image, "image"), (text, "text"))
    )
    return names.astype(str).tolist(), texts.astype(str).tolist()


def _encoder(encoder: TextEncoder | CodeName) -> Callable[[list[str]], Any] | None:
    """Find a function; None is CLIP's text tower."""
    if isinstance(encoder, str):
        encoder = CodeName(encoder, Path.cwd())
    if isinstance(encoder, CodeName):
        if encoder.text == _CLIP:
            return None
        if ":" not in encoder.text:
            msg = (
                f"The 'encoder' of {_OWNER} must be 'clip', or a function of texts as "
                f"module:function. Got {encoder.text!r} instead."
            )
            raise InputError(msg)
        encoder = import_code(encoder, "encoder")
    if not callable(encoder):
        msg = f"The 'encoder' of {_OWNER} must be a function of a list of texts. Got {encoder!r}."
        raise InputError(msg)
    return encoder


def _called(encode: Callable[[list[str]], Any], texts: list[str]) -> FloatArray:
    """Call an encoder of others, and check what it returns."""
    named = getattr(encode, "__qualname__", repr(encode))
    try:
        made = encode(list(texts))
        made = made.detach().cpu().numpy() if hasattr(made, "detach") else made
        rows = np.asarray(made, dtype=np.float32)
    except Exception as error:
        msg = f"The encoder {named} of {_OWNER} fails: {type(error).__name__}: {first_line(error)}"
        raise InputError(msg) from error
    if rows.ndim != 2 or len(rows) != len(texts) or not rows.shape[1]:
        msg = (
            f"The encoder {named} of {_OWNER} must return an array [texts, features], here "
            f"[{len(texts)}, …]. Got shape {list(rows.shape)}."
        )
        raise InputError(msg)
    if np.isinf(rows).any():
        msg = f"The encoder {named} of {_OWNER} returns infinite numbers."
        raise InputError(msg)
    return rows


def _code_of(function: Callable[..., Any]) -> bytes:
    """Tell a function by its name and its file, as far as there is one."""
    named = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    try:
        file = inspect.getsourcefile(function)
        content = b"" if file is None else Path(file).read_bytes()
    except (TypeError, OSError):
        content = b""
    return named.encode() + hashlib.sha256(content).digest()
