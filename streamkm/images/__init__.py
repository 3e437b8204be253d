"""Archives of images: one codebook, small codes, pixels that are decoded as they are asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm.images.archive import Archive as Archive
    from streamkm.images.codebook import Codebook as Codebook
    from streamkm.images.compressing import compress as compress
    from streamkm.images.export import decompress as decompress
    from streamkm.images.finding import find_palettes as find_palettes
    from streamkm.images.palette import Palette as Palette
    from streamkm.images.palette import quantize as quantize
    from streamkm.images.reads import Progress as Progress
    from streamkm.images.sheet import contact_sheet as contact_sheet
    from streamkm.images.training import fit_codebook as fit_codebook

# By name and not at once: Zarr imports the codec from here, and should not wait for the rest.
_PUBLIC = {
    "Archive": "archive",
    "Codebook": "codebook",
    "Palette": "palette",
    "Progress": "reads",
    "compress": "compressing",
    "contact_sheet": "sheet",
    "decompress": "export",
    "find_palettes": "finding",
    "fit_codebook": "training",
    "quantize": "palette",
}

__all__ = [
    "Archive",
    "Codebook",
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
