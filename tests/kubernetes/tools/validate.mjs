// Says what the published types of the Prometheus Operator's kinds refuse in the objects of a JSON file, a line each.
//
// usage: node validate.mjs NODE_MODULES FILE
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file] = process.argv.slice(2);
for (const object of JSON.parse(readFileSync(file, "utf8"))) {
  const path = `@kubernetes-models/prometheus-operator/${object.apiVersion}/${object.kind}.js`;
  const kinds = await import(pathToFileURL(resolve(modules, path)));
  try {
    new kinds[object.kind](object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
  }
}
