"""Image formats that are not supported, and tools that convert them."""

from __future__ import annotations

_PHOTO = "magick {0} {1}.png"
_KINDS = {
    "HEIC": ((".heic", ".heif", ".hif"), "heif-convert {0} {1}.png, or " + _PHOTO),
    "JPEG XL": ((".jxl",), "djxl {0} {1}.png"),
    "JPEG 2000": (
        (".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jpc"),
        "gdal_translate {0} {1}.tif, or " + _PHOTO,
    ),
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
_SIGNATURES = {
    b"\xff\x0a": "x.jxl",
    b"\0\0\0\x0cJXL ": "x.jxl",
    b"\0\0\0\x0cjP  ": "x.jp2",
    b"\xff\x4f\xff\x51": "x.jp2",
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


def unread(name: str, head: bytes = b"") -> str | None:
    """Return why an image is not supported and what converts it; None for other files.

    Parameters
    ----------
    name : name of the file
    head : first bytes, which are used if the name is not sufficient

    Examples
    --------
    >>> unread("IMG_1.HEIC")
    'HEIC is not supported: convert it first (heif-convert IN OUT.png, or magick IN OUT.png)'
    >>> unread("a.png")
    """
    lower = name.lower()
    for kind, (ends, how) in _KINDS.items():
        if lower.endswith(ends):
            return f"{kind} is not supported: convert it first ({how.format('IN', 'OUT')})"
    if not head:
        return None
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return unread("x.heic")
    if head[4:12] == b"ftypcrx ":
        return unread("x.cr3")
    found = (like for signature, like in _SIGNATURES.items() if head.startswith(signature))
    return next(map(unread, found), None)
