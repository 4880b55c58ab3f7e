// Formats C++.
import { format } from '@wasm-fmt/clang-format';
import { printResult } from './result.mjs';

const source = Array.from(
  { length: 150 },
  (_, i) => `template<class T>T f${i}(const T&a,int b){if(a>b)return a;else{for(int i=0;i<b;++i)a+=i;}return b;}`,
);
printResult(format(source.join('\n'), 'source.cpp', 'Google'));
