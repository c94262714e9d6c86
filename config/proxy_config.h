// The configuration of `sluice proxy`, which needs no file.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice::config {

// One upstream `backend` at `to_url`, one route `all`, a plain listener `http`, a self-signed one `https`,
// and admin. An address that is `off` or empty leaves its listener out. Throws ConfigError with the options
// as key paths.
Config proxy_config(const std::string& to_url, const std::string& http_address,
                    const std::string& https_address, const std::string& admin_address);

}  // namespace sluice::config
