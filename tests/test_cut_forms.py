"""Forms that break off: a caller whose last file is missing has to know."""

import pytest

from tests import media_files as files

PICTURE = files.png()
CUT_PICTURE = PICTURE[:60]
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
END = b"\r\n--x--\r\n"
CUT = {
    "in its second file": HEAD + PICTURE + b"\r\n" + HEAD + CUT_PICTURE,
    "behind its second file": HEAD + PICTURE + b"\r\n" + HEAD + PICTURE,
    "in a boundary": HEAD + PICTURE + b"\r\n--x",
    "behind a boundary that is not the last": HEAD + PICTURE + b"\r\n--x\r\n",
    "in a head": HEAD + PICTURE + b"\r\n--x\r\nContent-Dispo",
    "in its only file": HEAD + CUT_PICTURE,
}
WHOLE = {
    "as usual": END,
    "without a last line break": END.removesuffix(b"\r\n"),
    "with an epilogue": END + b"to be passed over",
}


def sent(client, path, content):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return client.post(path, content=content, headers=headers)


@pytest.mark.parametrize("where", CUT)
def test_a_form_that_breaks_off_is_refused(serve, where):
    """Nothing of it is encoded or stored, and the message says what is wrong."""
    client = serve()
    client.put("/v1/collections/c")
    for path in ("/v1/embeddings/image", "/v1/collections/c/items"):
        answer = sent(client, path, CUT[where])
        assert answer.status_code == 400
        assert "last boundary" in answer.json()["error"]["message"]
    assert client.get("/v1/collections/c/items").json()["items"] == []


@pytest.mark.parametrize("how", WHOLE)
def test_a_form_that_ends_is_read_whole(serve, how):
    """Two pictures give two vectors, whatever comes behind the last boundary."""
    content = HEAD + PICTURE + b"\r\n" + HEAD + PICTURE + WHOLE[how]
    assert len(sent(serve(), "/v1/embeddings/image", content).json()["data"]) == 2
