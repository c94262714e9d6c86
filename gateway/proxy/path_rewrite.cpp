#include "gateway/proxy/path_rewrite.h"

#include "gateway/http/uri.h"
#include "gateway/routing/path_match.h"

namespace sluice::proxy {
namespace {

// What `path` has behind a prefix of whole segments, with the slash before it; empty when it is the prefix.
// Nothing when the path does not have the prefix.
std::optional<std::string_view> behind(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix) || !routing::ends_on_segment(path, prefix.size())) return std::nullopt;
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.substr(prefix.size());
}

std::string_view strip(std::string_view path, std::string_view prefix) {
  return behind(path, prefix).value_or(path);
}

std::string_view replace(std::string_view path, const config::PrefixReplacement& rule, std::string& storage) {
  const std::optional<std::string_view> rest = behind(path, rule.from);
  if (!rest) return path;
  std::string_view to = rule.to;
  if (!rest->empty() && to.ends_with('/')) to.remove_suffix(1);  // `rest` begins with one
  return storage.assign(to).append(*rest);
}

std::string_view replace(std::string_view path, const config::PathReplacement& rule, std::string& storage) {
  std::optional<std::string> replaced = rule.match.replace_first(path, rule.to);
  if (!replaced) return path;
  return storage = std::move(*replaced);
}

bool is_normalized(std::string_view path) {
  std::string other_form;
  const http::NormalizedPath normalized = http::normalize_path(path, other_form);
  return path != "*" && normalized.error == http::PathError::none && normalized.path == path;
}

}  // namespace

std::optional<std::string_view> rewrite_path(const config::Rewrite& rewrite, std::string_view path,
                                             std::string& storage) {
  if (path == "*") return path;  // `OPTIONS *` asks about the server, not about a path
  std::string_view result = path;
  if (rewrite.strip_prefix) result = strip(path, *rewrite.strip_prefix);
  if (rewrite.replace_prefix) result = replace(path, *rewrite.replace_prefix, storage);
  if (rewrite.path_regex) result = replace(path, *rewrite.path_regex, storage);
  if (result.empty()) return "/";
  if (!is_normalized(result)) return std::nullopt;
  return result;
}

}  // namespace sluice::proxy
