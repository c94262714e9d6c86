// `acme_challenge_directory` of a listener: the files with which an ACME client such as certbot proves that a host is ours (RFC 8555 8.3).
// Any thread; nothing is kept between two requests.
//
// The file is read where the request is, on its worker: it is one of at most 4 KiB on a local disk, written moments before and asked for a
// few times a month. Opening one that is not there costs less than forwarding a request does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/proxy/client_exchange.h"

namespace sluice::proxy {

// Whether the listener answers the request itself: GET or HEAD below /.well-known/acme-challenge/. `path` is normalised.
bool is_acme_challenge(const ClientExchange& exchange, std::string_view path) noexcept;

// The content of a token's file: in `directory`, or in its .well-known/acme-challenge, which is where webroot clients put it.
// No symbolic link is followed below `directory`. Nothing: there is none; `problem` says so when it is there and cannot be served.
std::optional<std::string> read_challenge(const std::string& directory, std::string_view token, std::string& problem);

// 200 with the file, or 404.
void answer_acme_challenge(ClientExchange& exchange, std::string_view path);

}  // namespace sluice::proxy
