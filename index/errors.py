"""What can go wrong with collections and their items, as exceptions with a wire-stable `code`."""

# ruff: noqa: N818 - the names are read as `errors.UnknownItem`, where a second "Error" says nothing


def shown(value: object) -> str:
    """Give a value as messages show it, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class StoreError(Exception):
    """An error whose message may be shown to the caller; `code` is stable and machine-readable."""

    code = "invalid_request"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ParameterError(StoreError):
    """A parameter of the wrong type or outside its range."""

    code = "invalid_parameter"


class CollectionNameError(ParameterError):
    """A name that no collection may have."""

    code = "invalid_collection_name"


class ItemIdError(ParameterError):
    """An item id that is empty, too long or holds control characters."""

    code = "invalid_id"


class MetadataError(ParameterError):
    """Metadata that is no JSON object, too large or nested too deeply."""

    code = "invalid_metadata"


class VectorError(ParameterError):
    """A vector of the wrong length, with NaN or infinity, or of length zero."""

    code = "invalid_vector"


class DuplicateId(ParameterError):
    """One id twice in one request."""

    code = "duplicate_id"


class FilterError(ParameterError):
    """A filter that does not follow the grammar."""

    code = "invalid_filter"


class CursorError(ParameterError):
    """A page cursor that this service did not hand out."""

    code = "invalid_cursor"


class UnknownCollection(StoreError):
    """No collection of this name."""

    code = "collection_not_found"


class UnknownItem(StoreError):
    """No item of this id in the collection."""

    code = "item_not_found"


class NoMedia(StoreError):
    """The item is there, its original media is not."""

    code = "media_not_found"


class IdentityMismatch(StoreError):
    """The collection's vectors come from another model than the one offered."""

    code = "identity_mismatch"


class Locked(StoreError):
    """Another process has the data folder open."""

    code = "locked"


class Closed(StoreError):
    """The store was closed or the collection dropped."""

    code = "closed"


class Damaged(StoreError):
    """A file that cannot be rebuilt from another one is not readable."""

    code = "damaged"


class OtherLayout(Damaged):
    """A database whose tables are those of another version."""

    code = "other_layout"


class StorageFull(StoreError):
    """The disk has no room for the change; nothing of it was written."""

    code = "storage_full"


class NotEmpty(StoreError):
    """A folder that was to take collections has some already."""

    code = "not_empty"


class NotABackup(StoreError):
    """A folder that was to be restored from holds no collections."""

    code = "not_a_backup"
