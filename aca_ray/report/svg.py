"""Self-contained SVG drawings: for a file, a part of a page, or an MLflow artifact.

They have no ids and no style sheets, so a page can embed any number of them.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from aca_ray.errors import ConfigError
from aca_ray.storage import StoragePath, write_bytes

_EMS_PER_CHARACTER = 0.6  # rarely exceeded by sans-serif fonts


def new_svg(width: float, height: float, title: str, description: str) -> Element:
    """Return an <svg> with a white background, sizes in pixels; title and description are for screen readers."""
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "style": "font-family: Helvetica, Arial, sans-serif; text-anchor: middle; fill: black",
        },
    )
    SubElement(svg, "title").text = title
    SubElement(svg, "desc").text = description
    add(svg, "rect", width=width, height=height, fill="white")
    return svg


def add(parent: Element, tag: str, **attributes: float | str) -> Element:
    """Add an element to a parent and return it; `stroke_width` is the attribute stroke-width."""
    return SubElement(
        parent,
        tag,
        {
            name.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
            for name, value in attributes.items()
        },
    )


def add_text(parent: Element, x: float, y: float, text: str, size: float, **attributes: float | str) -> Element:
    """Add black text whose capitals are centered at height y; x is its middle unless `text_anchor` says otherwise."""
    element = add(parent, "text", x=x, y=y + 0.35 * size, font_size=size, **attributes)
    element.text = text
    return element


def text_width(text: str, size: float) -> float:
    """Return the approximate width of a text, in pixels."""
    return _EMS_PER_CHARACTER * size * len(text)


def to_string(svg: Element) -> str:
    """Return an <svg> as text without an XML declaration, for embedding in a page."""
    return tostring(svg, encoding="unicode")


def write_svg(path: StoragePath, svg: str) -> StoragePath:
    """Write a drawing atomically, and return the path.

    Raises:
        ConfigError: the path does not end in .svg.
    """
    if path.suffix != ".svg":
        raise ConfigError(f"{path}: the name of a drawing must end in .svg, found {path.suffix!r}; rename it")
    return write_bytes(path, svg.encode())
