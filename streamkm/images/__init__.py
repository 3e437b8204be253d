"""Archives of images: one codebook, small codes, pixels that are decoded as they are asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm.images.archive.archive import Archive as Archive
    from streamkm.images.archive.codec import CodebookCodec as CodebookCodec
    from streamkm.images.codebook.codebook import Codebook as Codebook
    from streamkm.images.codebook.training import fit_codebook as fit_codebook
    from streamkm.images.colour.palette import Palette as Palette
    from streamkm.images.colour.palette import quantize as quantize
    from streamkm.images.compression.compress import compress as compress
    from streamkm.images.compression.palettes import find_palettes as find_palettes
    from streamkm.images.compression.reads import Progress as Progress
    from streamkm.images.export.decompress import decompress as decompress
    from streamkm.images.export.sheet import contact_sheet as contact_sheet

# By name and not at once: Zarr imports the codec from here, and should not wait for the rest.
_PUBLIC = {
    "Archive": "archive.archive",
    "Codebook": "codebook.codebook",
    "CodebookCodec": "archive.codec",
    "Palette": "colour.palette",
    "Progress": "compression.reads",
    "compress": "compression.compress",
    "contact_sheet": "export.sheet",
    "decompress": "export.decompress",
    "find_palettes": "compression.palettes",
    "fit_codebook": "codebook.training",
    "quantize": "colour.palette",
}

__all__ = [
    "Archive",
    "Codebook",
    "CodebookCodec",
    "Palette",
    "Progress",
    "compress",
    "contact_sheet",
    "decompress",
    "find_palettes",
    "fit_codebook",
    "quantize",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'streamkm.images' has no attribute {name!r}")
    return getattr(import_module(f"streamkm.images.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
