// What a request's path may become is checked here as far as it does not depend on the request.
#include "config/syntax.h"
#include "config/validate.h"

namespace sluice::config {
namespace {

// A path that every reference repeats must not become a large one.
constexpr int kMostReferences = 9;

// `to` with a letter for each reference to one of `groups`, so that what is left can be looked at as a path.
Fault replace_references(const std::string& to, int groups, std::string& sample) {
  int references = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] != '\\') {
      sample.push_back(to[i]);
      continue;
    }
    const char digit = i + 1 < to.size() ? to[++i] : '\0';
    if (digit < '0' || digit > '9')
      return Fault("has a \\ without a digit; expected \\1 for the first group");
    if (digit - '0' > groups) {
      return std::string("refers to group ") + digit + ", and match has " + std::to_string(groups) +
             "; expected one that is there";
    }
    if (++references > kMostReferences) {
      return "has more than " + std::to_string(kMostReferences) + " references; expected fewer";
    }
    sample.push_back('x');
  }
  return std::nullopt;
}

Fault check_replacement(const PathReplacement& replacement) {
  const std::string& to = replacement.to;
  std::string sample;
  if (Fault fault = replace_references(to, replacement.match.groups(), sample)) return fault;
  if (Fault fault = check_path(sample.rfind('/', 0) == 0 ? sample : "/" + sample)) return fault;
  // With alternatives, ^ may belong to one of them alone.
  const std::string& pattern = replacement.match.pattern();
  const bool at_start = pattern[0] == '^' && pattern.find('|') == std::string::npos;
  if (at_start && !to.empty() && to[0] != '/' && to[0] != '\\') {
    return Fault("takes the place of the path's beginning and does not start with /; expected a path");
  }
  return std::nullopt;
}

void validate_forms(const std::string& path, Report& report) {
  std::vector<std::string> forms;
  for (const char* form : {"strip_prefix", "replace_prefix", "path_regex"}) {
    if (report.mentions(path + "." + form)) forms.push_back(form);
  }
  if (forms.size() > 1) {
    report.problem(
        path + "." + forms[1],
        "stands beside " + forms[0] + "; expected one of strip_prefix, replace_prefix and path_regex");
  } else if (forms.empty() && !report.mentions(path + ".host")) {
    report.problem(path, "changes nothing; expected strip_prefix, replace_prefix, path_regex or host");
  }
}

// Whole segments, as the gateway compares them.
bool covers(const std::string& prefix, const std::string& path) {
  return path.rfind(prefix, 0) == 0 &&
         (path.size() == prefix.size() || prefix.back() == '/' || path[prefix.size()] == '/');
}

void warn_when_never_there(const RouteMatch& match, const std::string& prefix, const std::string& path,
                           Report& report) {
  if (match.path && !covers(prefix, *match.path)) {
    report.warning(path, "never applies, the route's path is " + *match.path);
  } else if (match.path_prefix && !covers(prefix, *match.path_prefix) &&
             !covers(*match.path_prefix, prefix)) {
    report.warning(path, "never applies, the route's path_prefix is " + *match.path_prefix);
  }
}

}  // namespace

void validate_rewrite(const Route& route, const std::string& path, Report& report) {
  const Rewrite& rewrite = *route.rewrite;
  validate_forms(path, report);
  if (route.redirect || route.respond) {
    report.problem(path, "stands beside " + std::string(route.redirect ? "redirect" : "respond") +
                             ", which sends nothing on; expected it beside upstream");
  }
  if (rewrite.path_regex && !rewrite.path_regex->match.pattern().empty()) {
    Fault fault = check_replacement(*rewrite.path_regex);
    if (fault) report.problem(path + ".path_regex.to", in_quotes(rewrite.path_regex->to) + " " + *fault);
  }
  if (rewrite.strip_prefix)
    warn_when_never_there(route.match, *rewrite.strip_prefix, path + ".strip_prefix", report);
  if (rewrite.replace_prefix && !rewrite.replace_prefix->from.empty()) {
    warn_when_never_there(route.match, rewrite.replace_prefix->from, path + ".replace_prefix.from", report);
  }
}

}  // namespace sluice::config
