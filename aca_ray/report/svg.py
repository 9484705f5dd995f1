"""Drawings as SVG that stands alone: a file, a part of a page, an artifact in MLflow.

Nothing in them has an id or a style sheet, so that any number of them can stand in one page.

Source: ours.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from aca_ray.errors import ConfigError
from aca_ray.storage import StoragePath, write_bytes

_EMS_PER_CHARACTER = 0.6  # seldom exceeded by sans-serif fonts


def new_svg(width: float, height: float, title: str, description: str) -> Element:
    """Return an <svg> of so many pixels with a white ground; title and description are for who can't see it."""
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
    """Return about how wide a text is, in pixels."""
    return _EMS_PER_CHARACTER * size * len(text)


def to_string(svg: Element) -> str:
    """Return an <svg> as text, without an XML declaration, as a page needs it."""
    return tostring(svg, encoding="unicode")


def write_svg(path: StoragePath, svg: str) -> StoragePath:
    """Write a drawing whole or not at all, and return the path.

    Raises:
        ConfigError: the path does not end in .svg.
    """
    if path.suffix != ".svg":
        raise ConfigError(f"{path}: drawings are SVG; the name must end in .svg, found {path.suffix!r}")
    return write_bytes(path, svg.encode())
