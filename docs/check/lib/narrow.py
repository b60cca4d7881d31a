"""The OpenAPI document for schemathesis: it cannot listen to a stream, so that a GET is a poll that waits for nothing."""

import json
import sys

import yaml

document = yaml.safe_load(open(sys.argv[1]))
document["servers"] = [{"url": "/"}]
(path,) = document["paths"].values()
path["parameters"][0]["schema"] = {"enum": ["news", "nowhere"]}
listen = path["get"]
streams = {"framing", "callback", "format", "Upgrade", "Sec-WebSocket-Protocol"}
listen["parameters"] = [p for p in listen["parameters"] if p.get("name") not in streams]
for parameter in listen["parameters"]:
    if parameter.get("name") == "wait":
        parameter.update(required=True, schema={"const": 0})
json.dump(document, open(sys.argv[2], "w"))
