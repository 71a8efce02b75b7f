"""Decoding images, in files or packs, into RGB as a viewer would show them."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from facebench.data.folder import IMAGE_SUFFIXES, images_below, list_images
from facebench.data.packs import member_bytes, open_pack, split_member
from facebench.data.simple_jpegs import decode_simple_jpeg
from facebench.errors import ImageError, MissingImageError
from facebench.types import StrPath
from facebench.utils.files import FileState
from facebench.utils.outputs_version import outputs_version

__all__ = [
    "IMAGE_SUFFIXES",
    "JpegDecoder",
    "file_state",
    "image_bytes",
    "image_content",
    "image_exists",
    "image_held",
    "images_below",
    "is_plain_jpeg",
    "jpegs_decoded_by",
    "list_images",
    "open_image",
    "plain_jpeg_bytes",
    "unknown_colours",
]

# The formats decoded, under any file name. No PostScript, for which Pillow starts Ghostscript.
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
_LARGEST_FRACTION = 2.0
_ORIENTATION = 0x0112
# EXIF: the folders of camera data, and what they say of colours (DCF: "R03" is Adobe RGB).
_EXIF_IFD, _INTEROP_IFD, _COLOUR_SPACE, _INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 0x0001
_SRGB_SPACE, _ADOBE_SPACE = 1, 2
# Where Pillow looks for EXIF in a JPEG.
_WITH_EXIF = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
# gAMA of a PNG in sRGB, and how far off others are.
_PNG_GAMMA, _OTHER_GAMMA = 0.45455, 0.02
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A profile that moves no colour by more grey levels than this is sRGB by another name.
_SAME_COLOUR = 2
# What profiles are about; Lab needs none.
_WITH_PROFILES = ("RGB", "L", "CMYK")
_D50 = (0.9642, 1.0, 0.8249)
_ADOBE_COLUMNS = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
_WHITE = (255, 255, 255, 255)

JpegDecoder: TypeAlias = Callable[[bytes], npt.NDArray[np.uint8]]
"""From the bytes of a plain JPEG to its pixels, [H, W, 3]; RuntimeError where it cannot."""
_decoder: ContextVar[JpegDecoder | None] = ContextVar("decoder of plain JPEGs", default=None)
# An image whose bytes are in memory already, by its path.
_held: ContextVar[tuple[str, bytes] | None] = ContextVar("image in memory", default=None)
# Larger files are read by their decoder, and digested piece by piece.
_MOST_HELD = 64 << 20
# How often a file is read that changes meanwhile.
_TRIES = 3
# A pipe would be waited for without end.
_AT_ONCE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# Component names of a JPEG that holds red, green and blue, which libjpeg goes by.
_RGB_COMPONENTS = [ord("R"), ord("G"), ord("B")]
_END_OF_JPEG = b"\xff\xd9"


@contextmanager
def jpegs_decoded_by(decode: JpegDecoder | None) -> Iterator[None]:
    """Have `open_image` decode plain JPEGs by something other than Pillow in a block.

    Parameters
    ----------
    decode : callable or None
        What decodes them; None is Pillow.
    """
    before = _decoder.set(decode)
    try:
        yield
    finally:
        _decoder.reset(before)


def is_plain_jpeg(image: Image.Image, source: BinaryIO) -> bool:
    """Tell whether any decoder gives the colours of a JPEG that Pillow has opened.

    It is complete, grey or YCbCr, upright, and names no colours other than sRGB.

    Parameters
    ----------
    image : PIL.Image.Image
        As ``Image.open`` gives it, before its pixels are read.
    source : file
        What it was opened from.
    """
    if image.format != "JPEG" or image.mode not in ("L", "RGB"):
        return False
    components = [component[0] for component in getattr(image, "layer", ())]
    if components == _RGB_COMPONENTS or image.info.get("adobe_transform", 1) != 1:
        return False
    if _profile_of(image) is not None or _turn_of(image) is not None:
        return False
    place = source.tell()
    source.seek(-len(_END_OF_JPEG), io.SEEK_END)
    is_complete = source.read() == _END_OF_JPEG
    source.seek(place)
    return is_complete


def plain_jpeg_bytes(image_path: StrPath) -> bytes | None:
    """Read a file if it is a plain JPEG; see `is_plain_jpeg`.

    Parameters
    ----------
    image_path : str or Path
        As `open_image` takes it.

    Returns
    -------
    bytes or None
        None of all others, and of files that cannot be read: `open_image` says why.
    """
    try:
        data = image_bytes(image_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            source = io.BytesIO(data)
            with Image.open(source, formats=["JPEG"]) as image:
                return data if is_plain_jpeg(image, source) else None
    except MemoryError:
        raise
    except Exception:  # Of many kinds, as in `open_image`.
        return None


def image_exists(image_path: StrPath) -> bool:
    """Tell whether a path leads to a file, or to an image of a pack.

    Examples
    --------
    >>> image_exists("no/such/image.jpg")
    False
    """
    parts = split_member(image_path)
    if parts is None:
        return Path(image_path).is_file()
    return parts[1] in open_pack(parts[0]).members


def image_bytes(image_path: StrPath) -> bytes:
    """Read an image as it is stored, not decoded: what a digest of it is taken of.

    Parameters
    ----------
    image_path : str or Path
        A file, or an image of a pack (``lfw.bin/000001.jpg``).

    Raises
    ------
    MissingImageError
        If there is no such image.
    ImageError
        If it cannot be read.
    """
    data = image_content(image_path)[1]
    return Path(image_path).read_bytes() if data is None else data


def image_content(image_path: StrPath, *, doing: str = "read") -> tuple[FileState, bytes | None]:
    """Read an image as it is stored, with the state of its file in which it has these bytes.

    Parameters
    ----------
    image_path : str or Path
        As `image_bytes` takes it.
    doing : str, default 'read'
        What cannot be done where it cannot be read, for messages.

    Returns
    -------
    state : FileState
        Of an image in a pack, the pack's.
    data : bytes or None
        None of a file that is too large to be held in memory, or keeps changing.

    Raises
    ------
    MissingImageError, ImageError
        See `image_bytes`.
    """
    if split_member(image_path) is not None:
        return file_state(image_path), member_bytes(image_path)
    try:
        file = os.open(image_path, _AT_ONCE)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                msg = f"The image {image_path} cannot be {doing}: it is not a file."
                raise ImageError(msg)
            return _read_whole(file, found)
        finally:
            os.close(file)
    except FileNotFoundError as error:
        msg = f"The image {image_path} does not exist."
        raise MissingImageError(msg) from error
    except OSError as error:
        msg = f"The image {image_path} cannot be {doing}: {error.strerror or error}."
        raise ImageError(msg) from error


def _read_whole(file: int, found: os.stat_result) -> tuple[FileState, bytes | None]:
    for _ in range(_TRIES if found.st_size <= _MOST_HELD else 0):
        before, data = FileState.of(found), os.read(file, found.st_size + 1)
        found = os.fstat(file)
        if before == FileState.of(found) and len(data) == found.st_size:
            return before, data
        os.lseek(file, 0, os.SEEK_SET)
    return FileState.of(found), None


@contextmanager
def image_held(image_path: str, data: bytes) -> Iterator[None]:
    """Have `open_image` decode these bytes in a block, in place of reading the file again.

    Parameters
    ----------
    image_path : str
        The path that `open_image` is called with.
    data : bytes
        What was read from it.
    """
    before = _held.set((image_path, data))
    try:
        yield
    finally:
        _held.reset(before)


def file_state(image_path: StrPath) -> FileState:
    """Ask the file system about an image's file: of an image in a pack, the pack.

    Raises
    ------
    OSError
        If there is none.
    """
    parts = split_member(image_path)
    return FileState.of(os.stat(image_path if parts is None else parts[0]))  # noqa: PTH116


@outputs_version("open-image-3")
def open_image(image_path: StrPath, content: bytes | None = None) -> Image.Image:
    """Open an image file as 8-bit RGB, upright.

    The EXIF orientation is applied, and colours are converted to sRGB: those of embedded profiles
    (Adobe RGB, Display P3, CMYK …), of cameras whose EXIF says Adobe RGB, and of Lab images; see
    `unknown_colours` for what cannot be. Grey and palette images become RGB; 16-bit and 32-bit
    integer greys are scaled from 0 … 65,535 to 0 … 255 (not clipped); float greys are taken as
    0 … 1 where no value is larger, else as 0 … 255; what is transparent is laid over white.

    Parameters
    ----------
    image_path : str or Path
        An AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PPM, TIFF or WebP: a file, or an image of a pack
        (``lfw.bin/000001.jpg``).
    content : bytes, optional
        What `image_bytes` has read of it, so that it is not read again.

    Returns
    -------
    PIL.Image.Image
        Mode 'RGB'.

    Raises
    ------
    MissingImageError
        If there is no such file.
    ImageError
        If it is not an image, is damaged or cut short, or decodes to more than Pillow's
        ``MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    path = os.fspath(image_path)
    try:
        held = _held.get()
        data = content
        if data is None and held is not None and held[0] == path:
            data = held[1]
        elif data is None:
            _, data = image_content(path, doing="decoded")
        decode = _decoder.get()
        if decode is None and data is not None:
            simple = decode_simple_jpeg(data)
            if simple is not None:
                return simple
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities of metadata that Pillow only warns of do not stop a run.
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            with (
                Path(path).open("rb") if data is None else io.BytesIO(data) as source,
                Image.open(source, formats=_formats()) as image,
            ):
                # Pillow closes a TIFF's file, and with it the way to its EXIF, once it is read;
                # of others it reads the pixels to get there, and says nothing of their damage.
                if decode is not None and is_plain_jpeg(image, source):
                    pixels = _decoded(decode, source)
                    if pixels is not None:
                        return Image.fromarray(pixels)
                profile = _profile_of(image) if image.format == "TIFF" else None
                image.load()
                if image.format == "PNG":
                    _check_png(source)
                profile = profile or _profile_of(image)
                return _as_rgb(_upright(image), profile)
    except ImageError:
        raise
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        msg = (
            f"The image {path} cannot be decoded: it has more than {Image.MAX_IMAGE_PIXELS:,} "
            "pixels, as a decompression bomb would. Scale it down, or, if you trust it, raise the "
            "limit in Python: PIL.Image.MAX_IMAGE_PIXELS = …"
        )
        raise ImageError(msg) from error
    except UnidentifiedImageError as error:
        msg = (
            f"The image {path} cannot be decoded: it is damaged, or of none of the formats "
            f"{', '.join(_FORMATS)}."
        )
        raise ImageError(msg) from error
    except Exception as error:
        # Any exception of a decoder for a damaged file: AVIF's raises RuntimeError, for instance.
        reason = str(error).strip().rstrip(".") or type(error).__name__
        msg = f"The image {path} cannot be decoded: {reason}."
        raise ImageError(msg) from error


def _decoded(decode: JpegDecoder, source: BinaryIO) -> npt.NDArray[np.uint8] | None:
    """Decode a file; None where that fails, and Pillow has to say what is wrong."""
    place = source.tell()
    source.seek(0)
    try:
        return decode(source.read())
    except RuntimeError:
        source.seek(place)
        return None


@cache
def _formats() -> list[str]:
    """Leave out what this build of Pillow does not know; formats are tried in this order."""
    Image.init()
    known = (name for name in _FORMATS if name in Image.OPEN)
    return sorted(known, key=lambda name: name not in ("JPEG", "PNG"))


def _check_png(file: BinaryIO) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow passes over."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4]), head[4:]
        if kind != b"IDAT":
            file.seek(size + 4, io.SEEK_CUR)
        elif zlib.crc32(file.read(size), zlib.crc32(kind)) != int.from_bytes(file.read(4)):
            msg = "the checksum of its pixels is wrong, it is damaged"
            raise ValueError(msg)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation."""
    turn = _turn_of(image)
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = dict(image.info)
    return turned


def _is_bare(image: Image.Image) -> bool:
    """Tell quickly that an image has no EXIF: there is none in most JPEGs."""
    return image.format == "JPEG" and image.info.keys().isdisjoint(_WITH_EXIF)


def _turn_of(image: Image.Image) -> Image.Transpose | None:
    """Say how an image has to be turned; damaged metadata tell nothing."""
    if _is_bare(image):
        return None
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow raises SyntaxError, struct.error and others for damaged metadata.
        return None


def unknown_colours(image_path: StrPath) -> str:
    """Say why an image's colours are taken for sRGB though they may be others.

    Parameters
    ----------
    image_path : str or Path
        As `open_image` takes it.

    Returns
    -------
    str
        Empty where nothing speaks against it, and for files that are not images.
    """
    path = Path(image_path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = path if split_member(path) is None else io.BytesIO(member_bytes(path))
            with Image.open(source, formats=_formats()) as image:
                return _doubt(image)
    except Exception:  # Decoders raise exceptions of many kinds; `open_image` reports them.
        return ""


def _doubt(image: Image.Image) -> str:
    profile = _profile_of(image)
    if profile is not None:
        mode = _colour_mode(image, profile)
        usable = mode not in _WITH_PROFILES or _transform(profile, mode) is not None
        return "" if usable else "its colour profile cannot be used"
    if image.mode == "CMYK":
        return "inks (CMYK) without a colour profile"
    space, _ = _exif_colours(image)
    if space is not None and space != _SRGB_SPACE:
        return "its EXIF says that colours are not sRGB, and not what they are"
    gamma = image.info.get("gamma")
    if gamma and "srgb" not in image.info and abs(gamma - _PNG_GAMMA) > _OTHER_GAMMA:
        return f"a PNG of gamma {gamma:g}"
    return ""


def _exif_colours(image: Image.Image) -> tuple[int | None, str]:
    """Read what a camera wrote of colours: EXIF's ColorSpace, and DCF's index."""
    if _is_bare(image):
        return None, ""
    try:
        exif = image.getexif()
        space = exif.get_ifd(_EXIF_IFD).get(_COLOUR_SPACE)
        index = exif.get_ifd(_INTEROP_IFD).get(_INTEROP_INDEX, "")
        text = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
        return (int(space) if space is not None else None), text.strip("\0 ")
    except Exception:  # As of the orientation: damaged metadata say nothing.
        return None, ""


def _profile_of(image: Image.Image) -> bytes | None:
    """Give the colour profile of an image: embedded, or named by its EXIF."""
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and profile:
        return profile
    space, index = _exif_colours(image)
    is_adobe = space == _ADOBE_SPACE or (space != _SRGB_SPACE and index == "R03")
    return _adobe_rgb() if is_adobe else None


@cache
def _adobe_rgb() -> bytes:
    """Make the profile of Adobe RGB (1998): primaries adapted to D50, gamma 563/256."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 6) + b"Adobe\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed(*_D50),
        **{
            name: b"XYZ " + bytes(4) + fixed(*column)
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _ADOBE_COLUMNS, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    place, table, content = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", place + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI", place + len(content), b"lcms", 0x02100000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 1998, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*_D50)
    return head.ljust(128, b"\0") + table + content


def _as_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.format == "JPEG" and image.mode == "RGB" and profile is None:
        # Most images are: they are not copied.
        return image
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greys at 255, which turns photographs white.
        whole = np.asarray(image).clip(0, 65_535).astype(np.uint32)
        grey = Image.fromarray(((whole + 128) // 257).astype(np.uint8))
        return _in_srgb(grey, profile).convert("RGB")
    if image.mode == "F":
        raw = np.asarray(image)
        values = np.nan_to_num(raw).astype(np.float64)
        # Fractions go a little above 1 where a filter sharpened an edge.
        if raw[np.isfinite(raw)].max(initial=0.0) <= _LARGEST_FRACTION:
            values = values.clip(0, 1) * 255
        grey = values.clip(0, 255)
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if profile:
            alpha = rgba.getchannel("A")
            rgba = _in_srgb(rgba.convert(_colour_mode(image, profile)), profile).convert("RGBA")
            rgba.putalpha(alpha)
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    if image.mode == "LAB":
        seen = _transform(None, "LAB")
        return image.convert("RGB") if seen is None else _applied(seen, image)
    return _in_srgb(image, profile).convert("RGB")


def _colour_mode(image: Image.Image, profile: bytes | None) -> str:
    """Name the mode in which a profile of the image is applied."""
    if image.mode in ("L", "LA", "La", "1") or image.mode.startswith("I"):
        # A grey image may come with the profile of a screen.
        return "RGB" if profile is not None and profile[16:20] == b"RGB " else "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image out of its colour profile, if that differs from sRGB."""
    mode = _colour_mode(image, profile)
    if profile is None or mode not in _WITH_PROFILES:
        return image
    image = image.convert(mode)
    transform = _to_srgb(profile, image.mode)
    if transform is None:
        return image
    return _applied(transform, image)


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted: Image.Image = transform.apply(image)
    return converted


@lru_cache(maxsize=64)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make a conversion of colours from a profile (of None: of Lab), if one can be made."""
    try:
        return ImageCms.buildTransform(
            ImageCms.createProfile("LAB")
            if profile is None
            else ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make a conversion of colours; None where it would change nothing, or cannot be made."""
    transform = _transform(profile, mode)
    if transform is None or mode == "CMYK":
        return transform
    bands = len(Image.new(mode, (1, 1)).getbands())
    steps = np.linspace(0, 255, 256 if bands == 1 else 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * bands), axis=-1).reshape(1, -1, bands).squeeze(0)
    patches = Image.fromarray(colours[None].squeeze(-1) if bands == 1 else colours[None])
    plain = np.asarray(patches.convert("RGB"), dtype=np.int16)
    seen = np.asarray(transform.apply(patches), dtype=np.int16)
    return transform if np.abs(seen - plain).max() > _SAME_COLOUR else None
