// Runs Lua.
import { LuaFactory } from 'wasmoon';
import { printResult } from './result.mjs';

const lua = await new LuaFactory().createEngine();
printResult(
  await lua.doString(`
    local words = {}
    for i = 1, 20000 do words[i] = string.format("%x", i * 7919 % 10007) end
    table.sort(words)
    return table.concat(words, " ", 1, 500)
  `),
);
lua.global.close();
