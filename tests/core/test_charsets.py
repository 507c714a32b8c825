import pytest

from appliance.core.charsets import _CODECS, find_codec, is_spliceable

ASCII = bytes(range(0x80))


@pytest.mark.parametrize("name", sorted(_CODECS))
def test_every_name_in_the_table_is_one_python_knows(name: str) -> None:
    """And whatever may be spliced reads and writes ASCII as ASCII."""
    codec = find_codec(name.upper())
    assert b"".decode(codec) == ""
    if is_spliceable(codec):
        assert ASCII.decode(codec) == ASCII.decode()
        assert ASCII.decode().encode(codec) == ASCII


@pytest.mark.parametrize(
    "name", ["", "x", "utf-16", "utf-7", "idna", "punycode", "rot13", "zip", "os.path"]
)
def test_other_names_are_not_asked_for(name: str) -> None:
    """ATTACKS 14: wrong charsets; only the table decides, so no name costs memory."""
    assert find_codec(name) == ""


def test_names_are_taken_in_the_spellings_of_mail() -> None:
    """Upper case, underscores, and the common aliases."""
    assert find_codec("UTF8") == find_codec("utf_8") == "utf-8"
    assert find_codec("Shift_JIS") == find_codec("x-sjis")


@pytest.mark.parametrize("name", ["iso-2022-jp", "big5-hkscs"])
def test_sets_with_a_state_are_not_spliced(name: str) -> None:
    """ASCII in the middle would be read as something else, or join its neighbour."""
    assert not is_spliceable(find_codec(name))
