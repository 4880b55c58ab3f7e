console.log(`Node ${process.versions.node}, V8 ${process.versions.v8}`);
