#include "gateway/http/target.h"

#include <algorithm>

#include "gateway/http/uri.h"

namespace sluice::http {
namespace {

void split_query(std::string_view path_and_query, Target& target) noexcept {
  const auto question = std::min(path_and_query.find('?'), path_and_query.size());
  target.path = path_and_query.substr(0, question);
  target.query = path_and_query.substr(question);
}

std::optional<Target> parse_absolute(std::string_view method, std::string_view text) noexcept {
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = text.substr(0, colon);
  if (!equals_ignore_case(scheme, "http") && !equals_ignore_case(scheme, "https")) return std::nullopt;
  const std::string_view rest = text.substr(colon + 3);
  const auto authority_end = std::min(rest.find_first_of("/?"), rest.size());
  Target target;
  target.form = TargetForm::absolute;
  target.authority = rest.substr(0, authority_end);
  if (!parse_authority(target.authority)) return std::nullopt;
  split_query(rest.substr(authority_end), target);
  if (target.path.empty()) target.path = "/";
  if (method == "OPTIONS" && authority_end == rest.size()) {  // RFC 9112 3.2.4
    target.form = TargetForm::asterisk;
    target.path = "*";
  }
  return target;
}

}  // namespace

std::optional<Target> parse_target(std::string_view method, std::string_view text) noexcept {
  if (method == "CONNECT") {
    const auto authority = parse_authority(text);
    if (!authority || !authority->port) return std::nullopt;
    return Target{TargetForm::absolute, text, text, {}};
  }
  if (text.starts_with('/')) {
    Target target;
    split_query(text, target);
    return target;
  }
  if (text == "*") {
    if (method != "OPTIONS") return std::nullopt;
    return Target{TargetForm::asterisk, {}, text, {}};
  }
  return parse_absolute(method, text);
}

}  // namespace sluice::http
