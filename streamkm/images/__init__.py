"""Image archives: one codebook, small codes, and pixels that are decoded on access."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm.images.archive.archive import Archive as Archive
    from streamkm.images.archive.codec import CodebookCodec as CodebookCodec
    from streamkm.images.codebook.codebook import Codebook as Codebook
    from streamkm.images.codebook.training import fit_codebook as fit_codebook
    from streamkm.images.colour.palette import Palette as Palette
    from streamkm.images.colour.quantize import quantize as quantize
    from streamkm.images.compression.compress import compress as compress
    from streamkm.images.compression.palettes import find_palettes as find_palettes
    from streamkm.images.export.decompress import decompress as decompress
    from streamkm.images.export.sheet import contact_sheet as contact_sheet
    from streamkm.images.likeness.similar import Similar as Similar
    from streamkm.images.likeness.similar import similar as similar
    from streamkm.progress import Progress as Progress

# Imported on access, because Zarr imports the codec from here and needs nothing else.
_PUBLIC = {
    "Archive": "streamkm.images.archive.archive",
    "Codebook": "streamkm.images.codebook.codebook",
    "CodebookCodec": "streamkm.images.archive.codec",
    "Palette": "streamkm.images.colour.palette",
    "Progress": "streamkm.progress",
    "Similar": "streamkm.images.likeness.similar",
    "compress": "streamkm.images.compression.compress",
    "contact_sheet": "streamkm.images.export.sheet",
    "decompress": "streamkm.images.export.decompress",
    "find_palettes": "streamkm.images.compression.palettes",
    "fit_codebook": "streamkm.images.codebook.training",
    "quantize": "streamkm.images.colour.quantize",
    "similar": "streamkm.images.likeness.similar",
}

__all__ = [
    "Archive",
    "Codebook",
    "CodebookCodec",
    "Palette",
    "Progress",
    "Similar",
    "compress",
    "contact_sheet",
    "decompress",
    "find_palettes",
    "fit_codebook",
    "quantize",
    "similar",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'streamkm.images' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
