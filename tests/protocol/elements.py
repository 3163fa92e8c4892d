"""Any XML element, as a client might store it in a property."""

from hypothesis import strategies as st
from lxml import etree

LOCAL = st.sampled_from(["a", "b", "c-d.e", "é", "_"])
SPACES = st.sampled_from(["DAV:", "urn:x", "http://h/?a&b"])
SCOPES = st.dictionaries(st.sampled_from(["", "D", "q", "ns0"]), SPACES, max_size=2)
SHORT = st.text(st.sampled_from("a <>&\"'\t\n\r é\U0001f600\xa0"), max_size=4)


@st.composite
def markup(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """An element around others: names in any namespace, attributes, mixed content, white space."""
    scope = draw(SCOPES)
    prefix = draw(st.sampled_from([f"{one}:" if one else "" for one in ("", *sorted(scope))]))
    attributes = {f"xmlns:{one}" if one else "xmlns": uri for one, uri in scope.items()}
    if draw(st.booleans()):
        attributes[draw(st.sampled_from(["k", f"{prefix}k", "xml:lang"]))] = draw(SHORT)
    tag = prefix + draw(LOCAL)
    pieces = [f"{draw(inner)}{_escaped(draw(SHORT))}" for _ in range(draw(st.integers(0, 2)))]
    quoted = "".join(f' {name}="{_escaped(value)}"' for name, value in attributes.items())
    return f"<{tag}{quoted}>{_escaped(draw(SHORT))}{''.join(pieces)}</{tag}>"


def _escaped(text: str) -> str:
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
    return "".join(escapes.get(one) or (f"&#{ord(one)};" if one < " " else one) for one in text)


ELEMENTS = st.recursive(st.just("<a/>"), markup, max_leaves=4).map(etree.fromstring)
