"""What every fuzzed reader is held to: it takes an input or refuses it in words that name what is at fault."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
"""The same examples each time; a test's own number of them goes on top of it."""
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, -(2**70), 10**400]),
    st.floats(),
    st.sampled_from([1e308, -1e308, 5e-324]),
)
WORDS = ["awgn", "ml", "ml+", "ml+ml", "$x^$", "..", "a/b", "\0", "x" * 999]
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(WORDS))


def answered(read, *, naming=()):
    """What ``read()`` returns; None where it refuses as documented.

    Args:
        read: takes the input.
        naming: a text of which a refusal must hold one, "`" for a parameter.
    """
    try:
        return read()
    except (ValueError, TypeError, FileNotFoundError) as error:
        refusal = error
    builtin = type(refusal).__module__ == "builtins"
    assert type(refusal) in (ValueError, TypeError, FileNotFoundError) or not builtin, repr(refusal)
    assert any(name in str(refusal) for name in naming) or not naming, repr(refusal)
    assert len(str(refusal)) < 5000, len(str(refusal))
    return None


@st.composite
def damaged(draw, content):
    """``content`` with bytes overwritten, cut out or doubled, or its end cut off."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, max(len(found) - 1, 0))), draw(st.integers(1, 30))
        kind = draw(st.sampled_from(["overwrite", "bit", "cut", "double", "end"]))
        piece = bytes(found[place : place + length])
        if kind == "overwrite":
            found[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "bit" and found:
            found[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del found[place : place + length]
        elif kind == "double":
            found[place:place] = piece
        else:
            del found[place:]
    return bytes(found)
