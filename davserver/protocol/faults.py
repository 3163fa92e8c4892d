"""Every refusal of the server, each made by a constructor that says what it is about.

A `Fault` is one value with three lives: raised, it is the answer; collected, it is one `response`
of a 207; put on a property, it is a `propstat`. Only the constructors below make one, so this is
also the list of all statuses that a request can be refused with.
"""

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(unsafe_hash=True)
class Fault(Exception):
    """A refusal. Never changed once made; not frozen, since a raised one receives its traceback.

    ``status`` is the HTTP status. ``sentence`` tells a person what is wrong and what to do; it
    never holds a path of the server's disk. ``condition`` is the local name of a DAV precondition
    or postcondition code (RFC 4918 section 16), ``hrefs`` what stands in it. ``headers`` are sent
    with it when it is the answer.
    """

    status: HTTPStatus
    sentence: str
    condition: str = ""
    hrefs: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.status.value} {self.sentence}"


def bad_target() -> Fault:
    """RFC 9112 section 3.2, RFC 3986 section 3.3."""
    return Fault(
        HTTPStatus.BAD_REQUEST,
        "The URL cannot be understood: it needs valid percent escapes and no dot segments, "
        "encoded slashes or null bytes.",
    )


def bad_header(name: str, expected: str) -> Fault:
    return Fault(HTTPStatus.BAD_REQUEST, f"The header {name} is wrong: expected {expected}.")


def bad_document(sentence: str) -> Fault:
    """RFC 4918 section 8.2: malformed XML, or XML that this method cannot take."""
    return Fault(HTTPStatus.BAD_REQUEST, sentence)


def too_large(sentence: str) -> Fault:
    return Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)


def short_body() -> Fault:
    """RFC 9112 section 8: an incomplete request body."""
    return Fault(
        HTTPStatus.BAD_REQUEST,
        "The request body ended before its announced length. Nothing was changed.",
    )


def partial_put() -> Fault:
    """RFC 9110 section 14.5."""
    return Fault(
        HTTPStatus.BAD_REQUEST, "PUT with Content-Range is not supported: send the whole content."
    )


def unauthenticated(realm: str) -> Fault:
    """RFC 9110 section 11.6.1, RFC 7617."""
    return Fault(
        HTTPStatus.UNAUTHORIZED,
        "A user name and its password are needed.",
        headers=(("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'),),
    )


def busy() -> Fault:
    return Fault(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The server is busy: try again.",
        headers=(("Retry-After", "5"),),
    )


def crowded() -> Fault:
    """As many bodies are awaited as may be."""
    return Fault(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many slow uploads are under way: try again. Nothing was changed.",
        headers=(("Retry-After", "30"),),
    )


def too_slow() -> Fault:
    """RFC 9110 section 15.5.9: the rest of the body did not come in time."""
    return Fault(
        HTTPStatus.REQUEST_TIMEOUT,
        "The request body came too slowly, or not at all any more. Nothing was changed.",
    )


def damaged_state(wrong: str) -> Fault:
    """The store of locks and properties cannot be trusted: what is there can be read."""
    return Fault(
        HTTPStatus.FORBIDDEN,
        f"Nothing can be changed, because the server's state database is {wrong}. "
        "Its operator learns what to do from `davserver check`.",
    )


def unsure() -> Fault:
    """The storage failed when names had been changed already: it was gone forward from there, if
    that could be, and what lasts of it cannot be said.
    """
    return Fault(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The storage failed while the change was made. Look what is there before you try again; "
        "the server's log says why.",
    )


def wrong_digest(header: str) -> Fault:
    """RFC 9530 section 2: the content is not the one that was sent."""
    return Fault(
        HTTPStatus.BAD_REQUEST,
        f"The content does not have the digest in the header {header}. Nothing was changed.",
    )


def foreign_host() -> Fault:
    """A page of another origin that has made its name point here (DNS rebinding)."""
    return Fault(
        HTTPStatus.FORBIDDEN,
        "Without users this server answers only for loopback names. "
        "List other names in allowed_hosts, or start it with --user NAME.",
    )


def reserved_name() -> Fault:
    return Fault(HTTPStatus.FORBIDDEN, "This name is reserved for the server's own use.")


def hidden_name() -> Fault:
    return Fault(
        HTTPStatus.FORBIDDEN,
        "Something that is not served has this name: a link or a special file.",
    )


def read_only() -> Fault:
    return Fault(HTTPStatus.FORBIDDEN, "This share is read-only.")


def above_shares() -> Fault:
    return Fault(HTTPStatus.FORBIDDEN, "Only the shares below this collection can be changed.")


def share_root() -> Fault:
    return Fault(HTTPStatus.FORBIDDEN, "The root of a share cannot be removed or replaced.")


def same_resource() -> Fault:
    """RFC 4918 sections 9.8.5 and 9.9.4."""
    return Fault(HTTPStatus.FORBIDDEN, "Source and destination are the same resource.")


def overlapping() -> Fault:
    return Fault(
        HTTPStatus.FORBIDDEN,
        "A resource cannot go into itself, nor take the place of what holds it.",
    )


def another_file_system() -> Fault:
    return Fault(
        HTTPStatus.FORBIDDEN,
        "Another file system is mounted here: it cannot be removed or replaced.",
    )


def infinite_depth() -> Fault:
    """RFC 4918 section 9.1, `propfind-finite-depth`."""
    return Fault(
        HTTPStatus.FORBIDDEN,
        "PROPFIND with Depth: infinity is switched off: ask with Depth 0 or 1.",
        "propfind-finite-depth",
    )


def not_found() -> Fault:
    return Fault(HTTPStatus.NOT_FOUND, "There is no resource at this URL.")


def method_not_allowed(allow: str, sentence: str = "") -> Fault:
    """RFC 9110 section 15.5.6."""
    return Fault(
        HTTPStatus.METHOD_NOT_ALLOWED,
        sentence or "This method is not allowed here.",
        headers=(("Allow", allow),),
    )


def not_implemented() -> Fault:
    """RFC 9110 section 15.6.2."""
    return Fault(HTTPStatus.NOT_IMPLEMENTED, "The server does not know this method.")


def no_parent(href: str) -> Fault:
    """RFC 4918 sections 9.3.1, 9.7.1, 9.8.5, 9.9.4 and 9.10.6."""
    return Fault(
        HTTPStatus.CONFLICT, f"The collection {href} does not exist: make it first with MKCOL."
    )


def not_a_collection(href: str) -> Fault:
    return Fault(HTTPStatus.CONFLICT, f"{href} is not a collection: nothing can be put into it.")


def collection_url() -> Fault:
    return Fault(
        HTTPStatus.CONFLICT, "A URL that ends in a slash names a collection: leave the slash out."
    )


def wrong_lock_token(href: str) -> Fault:
    """RFC 4918 section 9.11.1, `lock-token-matches-request-uri`."""
    return Fault(
        HTTPStatus.CONFLICT,
        "No lock with this token covers this resource.",
        "lock-token-matches-request-uri",
        (href,),
    )


def wrong_refresh(href: str) -> Fault:
    """RFC 4918 section 9.10.6: a refresh whose token is of no lock here."""
    return Fault(
        HTTPStatus.PRECONDITION_FAILED,
        "No lock with the submitted token covers this resource.",
        "lock-token-matches-request-uri",
        (href,),
    )


def changed_meanwhile() -> Fault:
    return Fault(HTTPStatus.CONFLICT, "The resource was changed meanwhile: try again.")


def unacceptable_value(sentence: str) -> Fault:
    """RFC 4918 section 9.2.1: a value that the property cannot have."""
    return Fault(HTTPStatus.CONFLICT, sentence)


def not_modified(headers: tuple[tuple[str, str], ...]) -> Fault:
    """RFC 9110 section 15.4.5."""
    return Fault(HTTPStatus.NOT_MODIFIED, "", headers=headers)


def precondition_failed(header: str) -> Fault:
    """RFC 9110 section 15.5.13."""
    return Fault(
        HTTPStatus.PRECONDITION_FAILED, f"The precondition in the header {header} does not hold."
    )


def destination_exists() -> Fault:
    """RFC 4918 section 10.6."""
    return Fault(HTTPStatus.PRECONDITION_FAILED, "The destination exists and Overwrite is F.")


def unsupported_body(sentence: str) -> Fault:
    return Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, sentence)


def unsatisfiable_range(size: int) -> Fault:
    """RFC 9110 section 15.5.17."""
    return Fault(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        f"No part of the requested range lies within the {size} bytes of this resource.",
        headers=(("Content-Range", f"bytes */{size}"),),
    )


def locked(roots: Iterable[str]) -> Fault:
    """RFC 4918 section 11.3, `lock-token-submitted`: ``roots`` are the hrefs of the lock roots."""
    return Fault(
        HTTPStatus.LOCKED,
        "A lock is in the way: send its token in the If header, or wait until it ends.",
        "lock-token-submitted",
        tuple(dict.fromkeys(roots)),
    )


def lock_conflict(roots: Iterable[str]) -> Fault:
    """RFC 4918 section 9.10.6, `no-conflicting-lock`."""
    return Fault(
        HTTPStatus.LOCKED,
        "Another lock is in the way of this one.",
        "no-conflicting-lock",
        tuple(dict.fromkeys(roots)),
    )


def not_your_lock() -> Fault:
    """RFC 4918 sections 6.4 and 9.11: a token works only for the principal who made it."""
    return Fault(HTTPStatus.FORBIDDEN, "The lock belongs to someone else.")


def protected_property() -> Fault:
    """RFC 4918 section 9.2.1, `cannot-modify-protected-property`."""
    return Fault(
        HTTPStatus.FORBIDDEN,
        "The property is protected.",
        "cannot-modify-protected-property",
    )


def failed_dependency() -> Fault:
    """RFC 4918 section 11.4."""
    return Fault(
        HTTPStatus.FAILED_DEPENDENCY, "Not done, because another part of the request failed."
    )


def foreign_destination() -> Fault:
    """RFC 4918 section 9.8.5."""
    return Fault(HTTPStatus.BAD_GATEWAY, "The destination is not on this server.")


def internal_error() -> Fault:
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. Its log says where and why.")


def of_system(error: OSError) -> Fault:
    """The refusal that an error of the operating system, which is its cause, is answered with."""
    status, sentence = ERRNO.get(
        error.errno or 0,
        (HTTPStatus.INTERNAL_SERVER_ERROR, "The storage failed. The server's log says why."),
    )
    refused = busy() if status == HTTPStatus.SERVICE_UNAVAILABLE else Fault(status, sentence)
    refused.__cause__ = error
    return refused


_FULL = (HTTPStatus.INSUFFICIENT_STORAGE, "There is not enough space to store this.")
_DENIED = (HTTPStatus.FORBIDDEN, "The server is not permitted to do this to the file.")
_NAME = (HTTPStatus.BAD_REQUEST, "The file system does not take this name.")
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, "")

ERRNO: dict[int, tuple[HTTPStatus, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: (HTTPStatus.INSUFFICIENT_STORAGE, "The content is too large for the file system."),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: (HTTPStatus.FORBIDDEN, "The file system is read-only."),
    errno.ELOOP: (HTTPStatus.FORBIDDEN, "A symbolic link is in the way."),
    errno.EXDEV: (HTTPStatus.FORBIDDEN, "The path leaves the share or its file system."),
    errno.EBUSY: (HTTPStatus.FORBIDDEN, "The operating system is using this resource."),
    errno.ENAMETOOLONG: _NAME,
    errno.EINVAL: _NAME,
    errno.EILSEQ: _NAME,
    errno.ENOENT: (HTTPStatus.NOT_FOUND, "The resource has vanished."),
    errno.ENOTDIR: (HTTPStatus.CONFLICT, "Something on the way is not a collection."),
    errno.ENOTEMPTY: (HTTPStatus.CONFLICT, "The collection was changed meanwhile: try again."),
    errno.EEXIST: (HTTPStatus.CONFLICT, "Something with this name appeared meanwhile: try again."),
    errno.EMFILE: _BUSY,
    errno.ENFILE: _BUSY,
    errno.ENOMEM: _BUSY,
    errno.EAGAIN: _BUSY,
}
"""Errno to status and sentence. What is not listed (EIO, ESTALE, ...) is 500."""
