#include "gateway/commands/changed_keys.h"

#include <gmock/gmock.h>

#include <set>

#include "config/sections.h"

namespace sluice::commands {
namespace {

// Every key that works, except the name that the section goes by, and those that say what happens anyway.
template <class T>
void expect_all(const config::Table<T>& table, const std::set<std::string>& not_compared = {}) {
  std::vector<std::string> known, compared;
  for (const config::KeyInfo& row : table.rows()) {
    if (row.supported && !not_compared.contains(row.name)) known.push_back(row.name);
  }
  for (const ComparedKey<T>& key : compared_keys<T>()) compared.push_back(key.name);
  EXPECT_THAT(compared, ::testing::UnorderedElementsAreArray(known));
}

TEST(ChangedKeys, EveryKeyIsCompared) {
  expect_all(config::listener_table());
  expect_all(config::upstream_table(), {"name"});
  expect_all(config::route_table(), {"name"});
  expect_all(config::limits_table());
  expect_all(config::timeouts_table());
  expect_all(config::resolver_table());
}

TEST(ChangedKeys, TellsTheNamesOfThoseThatDiffer) {
  config::Upstream before;
  config::Upstream next;
  EXPECT_EQ(changed_keys(before, next), "");
  next.health_check.emplace();
  EXPECT_EQ(changed_keys(before, next), "health_check");
  next.discoveries.emplace_back();
  next.retries.attempts = 3;
  EXPECT_EQ(changed_keys(before, next), "endpoints, retries, health_check");
}

}  // namespace
}  // namespace sluice::commands
