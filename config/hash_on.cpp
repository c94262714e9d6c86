// What `balance: hash` goes by.
#include <algorithm>
#include <map>

#include "config/syntax.h"

namespace sluice::config {
namespace {

using Source = HashOn::Source;

const std::map<std::string, Source> kAlone = {{"client_ip", Source::client_ip}, {"path", Source::path}};
const std::map<std::string, Source> kNamed = {
    {"header", Source::header}, {"cookie", Source::cookie}, {"query", Source::query}};

}  // namespace

Fault parse_hash_on(const std::string& text, HashOn& hash_on) {
  if (const auto alone = kAlone.find(text); alone != kAlone.end()) {
    hash_on.source = alone->second;
    return std::nullopt;
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto named = kNamed.find(text.substr(0, colon));
  hash_on.name = text.substr(std::min(colon + 1, text.size()));
  if (named == kNamed.end() || hash_on.name.empty()) return in_quotes(text) + " is not known; expected " + kHashOnExpected;
  hash_on.source = named->second;
  if (hash_on.source != Source::query && !is_token(hash_on.name)) {
    return in_quotes(hash_on.name) + " is not the name of a header or cookie; expected a token such as X-Room (RFC 9110 5.6.2)";
  }
  return std::nullopt;
}

std::string HashOn::text() const {
  const auto is_ours = [this](const auto& entry) { return entry.second == source; };
  const auto alone = std::find_if(kAlone.begin(), kAlone.end(), is_ours);
  if (alone != kAlone.end()) return alone->first;
  return std::find_if(kNamed.begin(), kNamed.end(), is_ours)->first + ":" + name;
}

}  // namespace sluice::config
