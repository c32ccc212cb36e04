"""The part grammar by itself: whatever JSON comes, parts come out, or an error that names its place."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.modalities import MODALITIES
from service.drafts import Draft, Refused, drafts_of
from service.errors import LocatedError, fault_of
from service.parts import OPENAI_MEDIA, Fused, Grammar, Part, leaves, parse_inputs, parse_query

MOST = 20
words = st.sampled_from(
    [*Grammar().content_keys, *OPENAI_MEDIA, "type", "weight", "unit", "sample_rate", "modality", "url"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [*MODALITIES, *OPENAI_MEDIA, "data:image/png;base64,AAAA", "AAAA", "https://a.b/c", "text"]
    )
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def depth(part):
    return 1 + max(map(depth, part.content.parts)) if isinstance(part.content, Fused) else 1


def attempted(call):
    """What `call` gives and None, or None and the LocatedError it raises."""
    try:
        return call(), None
    except LocatedError as error:
        return None, error


@settings(max_examples=500, deadline=None)
@given(json_values, st.sampled_from(list(MODALITIES)))
def test_any_json_gives_parts_or_a_located_error(value, strings):
    """Inputs and queries: nothing else is ever raised, and the error is the caller's."""
    for parse in (
        lambda: parse_inputs(value, "input", MOST, strings),
        lambda: [parse_query(value, "input", MOST)],
    ):
        parts, error = attempted(parse)
        if error is not None:
            assert error.param.startswith("input")
            assert 400 <= fault_of(error).status < 500
            continue
        assert all(isinstance(part, Part) for part in parts)
        assert sum(1 for part in parts for _ in leaves(part)) <= MOST
        assert max(map(depth, parts)) <= 10


@settings(max_examples=500, deadline=None)
@given(st.lists(json_values, max_size=5))
def test_any_items_are_drafts_or_refused(values):
    """Each item by itself, in order; the only error for all is their number."""
    drafts, error = attempted(lambda: drafts_of(values, MOST))
    if error is not None:
        assert fault_of(error).status == 413
        return
    assert len(drafts) == len(values)
    assert all(isinstance(draft, Draft | Refused) for draft in drafts)
    assert all(fault_of(draft.error).status < 500 for draft in drafts if isinstance(draft, Refused))
