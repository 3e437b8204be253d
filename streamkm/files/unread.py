"""Image formats that are not supported, and packages or tools that read them."""

from __future__ import annotations

from importlib.util import find_spec

_PHOTO = "magick {0} {1}.png"
_KINDS = {
    "HEIC": ((".heic", ".heif", ".hif"), "heif-convert {0} {1}.png, or " + _PHOTO),
    "JPEG XL": ((".jxl",), "djxl {0} {1}.png"),
    "JPEG XR": ((".jxr", ".wdp", ".hdp"), "JxrDecApp -i {0} -o {1}.tif"),
    "a camera raw file": (
        (
            *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2"),
            *(".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".erf", ".kdc", ".rwl"),
        ),
        "dcraw_emu -T {0}, or darktable-cli {0} {1}.tif",
    ),
    "a layered image": ((".psd", ".psb", ".xcf", ".kra", ".ora"), "magick {0} -flatten {1}.png"),
    "a vector graphic": (
        (".svg", ".svgz", ".eps", ".ai", ".pdf", ".wmf", ".emf"),
        "magick -density 300 {0} {1}.png",
    ),
    "a floating-point image": (
        (".exr", ".hdr", ".pfm", ".rgbe"),
        "magick {0} -depth 16 {1}.tif, with a range of your choice",
    ),
    "a microscopy file": (
        (".czi", ".nd2", ".lif", ".svs", ".ndpi", ".mrxs", ".vsi", ".oib", ".oif", ".scn"),
        "bioformats2raw {0} {1}.zarr",
    ),
    "a medical image": ((".dcm", ".nii", ".nii.gz", ".mha", ".mhd"), "medcon or dcm2niix"),
    "this image format": (
        (
            *(".tga", ".ico", ".cur", ".icns", ".dds", ".pcx", ".sgi", ".ras", ".xbm", ".xpm"),
            *(".qoi", ".pam", ".bpg", ".flif", ".jng", ".mng", ".fits", ".fit"),
        ),
        _PHOTO,
    ),
}
# Plug-ins of Pillow: the module and the package.
_PLUG_INS = {
    "HEIC": ("pillow_heif", "pillow-heif"),
    "JPEG XL": ("pillow_jxl", "pillow-jxl-plugin"),
}
_SIGNATURES = {
    b"\xff\x0a": "x.jxl",
    b"\0\0\0\x0cJXL ": "x.jxl",
    b"8BPS": "x.psd",
    b"gimp xcf": "x.xcf",
    b"\x76\x2f\x31\x01": "x.exr",
    b"#?RADIANCE": "x.hdr",
    b"PF\n": "x.pfm",
    b"Pf\n": "x.pfm",
    b"P7\n": "x.pam",
    b"<svg": "x.svg",
    b"%PDF": "x.pdf",
    b"%!PS": "x.eps",
    b"qoif": "x.qoi",
    b"SIMPLE  =": "x.fits",
    b"FUJIFILMCCD-RAW": "x.raf",
}
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def by_plug_in(name: str) -> bool:
    """Return whether the name is that of an image which an installed plug-in of Pillow reads."""
    kinds = (kind for kind in _PLUG_INS if name.lower().endswith(_KINDS[kind][0]))
    return any(_installed(kind) for kind in kinds)


def _installed(kind: str) -> bool:
    return find_spec(_PLUG_INS[kind][0]) is not None


def unread(name: str) -> str | None:
    """Return why an image is not supported and what converts it; None for other files.

    Parameters
    ----------
    name : name of the file

    Examples
    --------
    >>> unread("x.jxr")
    'JPEG XR is not supported: convert it first (JxrDecApp -i IN -o OUT.tif)'
    >>> unread("a.png")
    """
    lower = name.lower()
    for kind, (ends, how) in _KINDS.items():
        if not lower.endswith(ends):
            continue
        tool = how.format("IN", "OUT")
        if kind not in _PLUG_INS:
            return f"{kind} is not supported: convert it first ({tool})"
        if _installed(kind):
            return None
        package = _PLUG_INS[kind][1]
        return f"{kind} needs {package}: pip install {package}, or convert it first ({tool})"
    return None


def name_like(head: bytes) -> str | None:
    """Return a name that a file which begins with some bytes could have, or None if unknown."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "x.heic"
    if head[4:12] == b"ftypcrx ":
        return "x.cr3"
    return next((like for start, like in _SIGNATURES.items() if head.startswith(start)), None)
