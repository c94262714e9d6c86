"""Requests that two parsers might read differently, or that are plainly broken, with the status each must get.
A smuggled second request is named /smuggled, so that its way to a backend would be seen."""

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n"


def get(*fields, line=b"GET / HTTP/1.1", host=b"Host: test.example"):
    lines = [line] + ([host] if host else []) + list(fields)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(*fields, body=b""):
    return get(*fields, line=b"POST / HTTP/1.1") + body


# Each: name, bytes, status.
FRAMING = [
    ("length and chunked", post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nX"), 400),
    ("chunked and length", post(b"Transfer-Encoding: chunked", b"Content-Length: 6", body=b"0\r\n\r\nX"), 400),
    ("length repeated, equal", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    ("length repeated, different", post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"), 400),
    ("length as a list", post(b"Content-Length: 5, 5", body=b"hello"), 400),
    ("length with sign", post(b"Content-Length: +5", body=b"hello"), 400),
    ("length negative", post(b"Content-Length: -5", body=b"hello"), 400),
    ("length in hex", post(b"Content-Length: 0x5", body=b"hello"), 400),
    ("length with a fraction", post(b"Content-Length: 5.0", body=b"hello"), 400),
    ("length with an exponent", post(b"Content-Length: 1e1", body=b"hellohello"), 400),
    ("length empty", post(b"Content-Length:", body=b"hello"), 400),
    ("length of spaces", post(b"Content-Length:   ", body=b"hello"), 400),
    ("length with inner space", post(b"Content-Length: 1 0", body=b"hello"), 400),
    ("length over 64 bits", post(b"Content-Length: 18446744073709551621", body=b"hello"), 400),
    ("length with underscore", post(b"Content-Length: 1_0", body=b"hellohello"), 400),
    ("length quoted", post(b'Content-Length: "5"', body=b"hello"), 400),
    ("length with a form feed", post(b"Content-Length: \x0c5", body=b"hello"), 400),
    ("length with trailing comma", post(b"Content-Length: 5,", body=b"hello"), 400),
    ("coding identity", post(b"Transfer-Encoding: identity"), 400),
    ("coding gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    ("coding chunked, gzip", post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400),
    ("coding chunked twice in a list", post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), 400),
    ("coding chunked on two lines", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
                                         body=b"0\r\n\r\n"), 400),
    ("coding chunked and identity on two lines", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
                                                      body=b"0\r\n\r\n"), 400),
    ("coding empty", post(b"Transfer-Encoding:"), 400),
    ("coding xchunked", post(b"Transfer-Encoding: xchunked"), 400),
    ("coding quoted", post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 400),
    ("coding with a parameter", post(b"Transfer-Encoding: chunked;a=b", body=b"0\r\n\r\n"), 400),
    ("coding with vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    ("coding with a comma before", post(b"Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"), 400),
    ("coding with space before colon", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    ("coding on HTTP/1.0", get(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0") + b"0\r\n\r\n", 400),
    ("length with space before colon", post(b"Content-Length : 5", body=b"hello"), 400),
    ("length with tab before colon", post(b"Content-Length\t: 5", body=b"hello"), 400),
]

LINES = [
    ("folded field", get(b"X-A: b\r\n c"), 400),
    ("folded with a tab", get(b"X-A: b\r\n\tc"), 400),
    ("fold as the first field", b"GET / HTTP/1.1\r\n X-A: b\r\nHost: test.example\r\n\r\n", 400),
    ("bare LF after the request line", b"GET / HTTP/1.1\nHost: test.example\r\n\r\n", 400),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: test.example\n\r\n", 400),
    ("bare LF everywhere", b"GET / HTTP/1.1\nHost: test.example\n\n", 400),
    ("bare LF as the end of the head", b"GET / HTTP/1.1\r\nHost: test.example\r\n\n", 400),
    ("bare CR in a value", get(b"X-A: b\rc"), 400),
    ("bare CR as a line end", b"GET / HTTP/1.1\r\nHost: test.example\rX-A: b\r\n\r\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\nHost: test.example\r\r\n\r\n", 400),
    ("bare CR in a request line", b"GET /\r HTTP/1.1\r\nHost: test.example\r\n\r\n", 400),
    ("NUL in a value", get(b"X-A: b\x00c"), 400),
    ("NUL in a name", get(b"X-\x00A: b"), 400),
    ("control character in a value", get(b"X-A: b\x01c"), 400),
    ("DEL in a value", get(b"X-A: b\x7fc"), 400),
    ("space before the colon", get(b"X-A : b"), 400),
    ("space in a name", get(b"X A: b"), 400),
    ("space before a name", get(b" X-A: b"), 400),
    ("no colon", get(b"X-A"), 400),
    ("empty name", get(b": b"), 400),
    ("name with a separator", get(b"X(A): b"), 400),
    ("name over ASCII", get(b"X-\xc3\xa9: b"), 400),
    ("NUL as the first byte", b"\x00GET / HTTP/1.1\r\nHost: test.example\r\n\r\n", 400),
]

REQUEST_LINES = [
    ("no version", get(line=b"GET /"), 400),
    ("no target", get(line=b"GET HTTP/1.1"), 400),
    ("empty target", get(line=b"GET  HTTP/1.1"), 400),
    ("two spaces before the target", get(line=b"GET  / HTTP/1.1"), 400),
    ("two spaces before the version", get(line=b"GET /  HTTP/1.1"), 400),
    ("tab as separator", get(line=b"GET\t/ HTTP/1.1"), 400),
    ("space at the line's end", get(line=b"GET / HTTP/1.1 "), 400),
    ("space at the line's start", get(line=b" GET / HTTP/1.1"), 400),
    ("space in the target", get(line=b"GET /a b HTTP/1.1"), 400),
    ("control character in the target", get(line=b"GET /a\x01b HTTP/1.1"), 400),
    ("byte over ASCII in the target", get(line=b"GET /\xff HTTP/1.1"), 400),
    ("fragment in the target", get(line=b"GET /a#b HTTP/1.1"), 400),
    ("target without a slash", get(line=b"GET a HTTP/1.1"), 400),
    ("asterisk with GET", get(line=b"GET * HTTP/1.1"), 400),
    ("method with a separator", get(line=b"GE(T / HTTP/1.1"), 400),
    ("method with a colon", get(line=b"GET: / HTTP/1.1"), 400),
    ("lower-case protocol", get(line=b"GET / http/1.1"), 400),
    ("version with three parts", get(line=b"GET / HTTP/1.1.1"), 400),
    ("version with letters", get(line=b"GET / HTTP/1.x"), 400),
    ("version with leading zeros", get(line=b"GET / HTTP/01.1"), 400),
    ("version of two digits", get(line=b"GET / HTTP/1.10"), 400),
    ("HTTP/2 by name", get(line=b"GET / HTTP/2.0"), 505),
    ("HTTP/3 by name", get(line=b"GET / HTTP/3.0"), 505),
    ("HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("a TLS hello on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
    ("a response", b"HTTP/1.1 200 OK\r\n\r\n", 400),
    ("other scheme in an absolute target", get(line=b"GET ftp://test.example/ HTTP/1.1"), 400),
    ("userinfo in an absolute target", get(line=b"GET http://user@test.example/ HTTP/1.1"), 400),
    ("empty authority in an absolute target", get(line=b"GET http:///a HTTP/1.1"), 400),
]

HOSTS = [
    ("no Host", get(host=None), 400),
    ("no Host with an absolute target", get(line=b"GET http://test.example/ HTTP/1.1", host=None), 400),
    ("Host repeated, equal", get(b"Host: test.example"), 400),
    ("Host repeated, different", get(b"Host: other.example"), 400),
    ("Host repeated in another case", get(b"hOST: test.example"), 400),
    ("empty Host", get(host=b"Host:"), 400),
    ("Host as a list", get(host=b"Host: test.example, other.example"), 400),
    ("Host with a path", get(host=b"Host: test.example/a"), 400),
    ("Host with userinfo", get(host=b"Host: user@test.example"), 400),
    ("Host with a space", get(host=b"Host: test.example evil"), 400),
    ("Host with a bad port", get(host=b"Host: test.example:port"), 400),
    ("Host with a port out of range", get(host=b"Host: test.example:65536"), 400),
    ("Host with two ports", get(host=b"Host: test.example:80:81"), 400),
    ("Host with a broken v6 literal", get(host=b"Host: [::1"), 400),
    ("Host with a query", get(host=b"Host: test.example?a"), 400),
    ("Host with a backslash", get(host=b"Host: test.example\\evil"), 400),
    ("Host with a space before the colon", get(host=b"Host : test.example"), 400),
    ("Host only with a port", get(host=b"Host: :80"), 400),
]

PATHS = [
    ("encoded slash", get(line=b"GET /a%2Fb HTTP/1.1"), 400),
    ("encoded slash in lower case", get(line=b"GET /a%2fb HTTP/1.1"), 400),
    ("encoded NUL", get(line=b"GET /a%00b HTTP/1.1"), 400),
    ("backslash", get(line=b"GET /a\\b HTTP/1.1"), 400),
    ("encoded backslash", get(line=b"GET /a%5Cb HTTP/1.1"), 400),
    ("above the root", get(line=b"GET /../a HTTP/1.1"), 400),
    ("above the root, encoded", get(line=b"GET /a/%2e%2E/../b HTTP/1.1"), 400),
    ("broken percent", get(line=b"GET /a%zz HTTP/1.1"), 400),
    ("cut percent", get(line=b"GET /a%2 HTTP/1.1"), 400),
]

OTHERS = [
    ("unknown expectation", post(b"Expect: something", b"Content-Length: 0"), 417),
]

BROKEN_REQUESTS = FRAMING + LINES + REQUEST_LINES + HOSTS + PATHS + OTHERS

# Bodies that turn out to be broken after a fine head: the head may have gone on, the request must never become whole.
BROKEN_CHUNKS = [
    ("size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("size with a space before", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("size with a space behind", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("size of nothing", b"\r\nhello\r\n0\r\n\r\n"),
    ("size that is no number", b"five\r\nhello\r\n0\r\n\r\n"),
    ("size over 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size over 64 bits by leading zeros", b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("size line with bare LF", b"5\nhello\r\n0\r\n\r\n"),
    ("size line with bare CR", b"5\rhello\r\n0\r\n\r\n"),
    ("data without a line end", b"5\r\nhello0\r\n\r\n"),
    ("data with bare LF", b"5\r\nhello\n0\r\n\r\n"),
    ("data longer than its size", b"5\r\nhello!\r\n0\r\n\r\n"),
    ("extension with bare LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("extension with a control character", b"5;a=\x01\r\nhello\r\n0\r\n\r\n"),
    ("extension with NUL", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"),
    ("endless extension", b"5;a=" + b"x" * 70000 + b"\r\nhello\r\n0\r\n\r\n"),
    ("last chunk with bare LF", b"5\r\nhello\r\n0\n\r\n"),
    ("end with bare LF", b"5\r\nhello\r\n0\r\n\n"),
    ("trailer with a fold", b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    ("trailer with space before the colon", b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
    ("trailer with bare LF", b"5\r\nhello\r\n0\r\nX-A: b\n\r\n"),
    ("trailer with NUL", b"5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"),
    ("trailer without a colon", b"5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
]
