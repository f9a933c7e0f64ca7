// Reads {"tables": {name: "(column:type, ...)"}, "queries": {name: text}} and writes {name: [what is wrong]}.
const { readFileSync } = require("node:fs");

require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const members = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, ""));
const workspace = new Symbols.DatabaseSymbol.ctor("workspace", members);
const globals = GlobalState.Default.WithDatabase(workspace);

function faults(text) {
  const found = [];
  const diagnostics = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  for (let i = 0; i < diagnostics.Count; i++) found.push(diagnostics.getItem(i).Message);
  return found;
}

const told = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, faults(text)]));
process.stdout.write(JSON.stringify(told));
