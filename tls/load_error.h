// What loading certificates, keys and trust stores throws: it happens at start and at reload only, and the
// caller turns it into configuration errors. The messages say what is wrong and what to do.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice::tls {

struct LoadFault {
  std::string
      key;  // whose value it is, seen from what was loaded: `certificates[0].private_key`; empty: all of it
  std::string what;
};

class TlsLoadError : public std::runtime_error {
 public:
  explicit TlsLoadError(const std::string& what) : TlsLoadError(std::vector<LoadFault>{{{}, what}}) {}
  // At least one.
  explicit TlsLoadError(std::vector<LoadFault> faults)
      : std::runtime_error(faults.front().what), faults_(std::move(faults)) {}
  const std::vector<LoadFault>& faults() const noexcept { return faults_; }

 private:
  std::vector<LoadFault> faults_;
};

// Goes on after a fault, so that all of them are told at once. One thread.
class LoadFaults {
 public:
  // What `load` gives, or an empty value when it throws a TlsLoadError; the faults' keys are seen from around
  // `key` then.
  template <typename Load>
  auto attempt(const std::string& key, Load load) -> decltype(load()) {
    try {
      return load();
    } catch (const TlsLoadError& error) {
      for (const LoadFault& fault : error.faults()) add(key, fault);
    }
    return decltype(load())();
  }
  const std::vector<LoadFault>& faults() const noexcept { return faults_; }
  void throw_if_any() const {
    if (!faults_.empty()) throw TlsLoadError(faults_);
  }

 private:
  void add(const std::string& key, const LoadFault& fault) {
    const bool is_element = !fault.key.empty() && fault.key.front() == '[';
    faults_.push_back({key + (fault.key.empty() || is_element ? "" : ".") + fault.key, fault.what});
  }

  std::vector<LoadFault> faults_;
};

}  // namespace sluice::tls
