#include "gateway/proxy/acme_challenge.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "gateway/proxy/reply.h"
#include "tls/descriptor.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kPrefix = "/.well-known/acme-challenge/";
// The base64url alphabet (RFC 8555 8.3): no dot and no slash, so a token names a file of the folder and nothing else.
constexpr std::string_view kTokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kMaxToken = 128;
constexpr std::size_t kMaxFile = 4096;  // a key authorization has some 90 bytes

bool is_token(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxToken && text.find_first_not_of(kTokenCharacters) == std::string_view::npos;
}

tls::Descriptor open_below(const tls::Descriptor& folder, const char* name, int flags) {
  if (!folder) return {};
  return tls::Descriptor(::openat(folder.get(), name, flags | O_NOFOLLOW | O_CLOEXEC));
}

// Of a whole file within the bound; nothing: `errno` says why.
std::optional<std::string> read_file(const tls::Descriptor& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode) || status.st_size > static_cast<off_t>(kMaxFile)) {
    errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
    return std::nullopt;
  }
  std::string content(kMaxFile, '\0');
  const ssize_t size = ::read(file.get(), content.data(), content.size());
  if (size < 0) return std::nullopt;
  content.resize(static_cast<std::size_t>(size));
  return content;
}

// A pipe or a device must not make the worker wait.
constexpr int kFileFlags = O_RDONLY | O_NONBLOCK;
constexpr int kFolderFlags = O_PATH | O_DIRECTORY;

}  // namespace

bool is_acme_challenge(const ClientExchange& exchange, std::string_view path) noexcept {
  if (exchange.connection.listener->acme_challenge_directory.empty()) return false;
  const std::string_view method = exchange.request.method;
  return path.substr(0, kPrefix.size()) == kPrefix && (method == "GET" || method == "HEAD");
}

std::optional<std::string> read_challenge(const std::string& directory, std::string_view token, std::string& problem) {
  if (!is_token(token)) return std::nullopt;
  const std::string name(token);
  const tls::Descriptor folder(::open(directory.c_str(), kFolderFlags | O_CLOEXEC));
  tls::Descriptor file = open_below(folder, name.c_str(), kFileFlags);
  if (!file && errno == ENOENT) {
    const tls::Descriptor well_known = open_below(folder, ".well-known", kFolderFlags);
    const tls::Descriptor challenges = open_below(well_known, "acme-challenge", kFolderFlags);
    file = open_below(challenges, name.c_str(), kFileFlags);
  }
  std::optional<std::string> content;
  if (file) content = read_file(file);
  if (!content && errno != ENOENT) problem = directory + ": " + name + " cannot be served: " + std::strerror(errno);
  return content;
}

void answer_acme_challenge(ClientExchange& exchange, std::string_view path) {
  std::string problem;
  const std::string& directory = exchange.connection.listener->acme_challenge_directory;
  const std::optional<std::string> content = read_challenge(directory, path.substr(kPrefix.size()), problem);
  if (!content) {
    exchange.record.failure_detail = std::move(problem);
    send_reply(exchange, reply_for(Refusal::no_challenge));
    return;
  }
  http::Headers headers;
  headers.add_view("Content-Type", "text/plain");
  headers.add_view("Cache-Control", "no-store");
  send_response(exchange, 200, headers, *content);
}

}  // namespace sluice::proxy
