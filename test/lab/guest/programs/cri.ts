// Calls containerd's CRI as kubelet does: by gRPC on its socket, with the messages of api.proto.
//
//   cri METHOD REQUEST     REQUEST is JSON; the answer is printed as JSON; exit status 1 with the error's message
//
// CRI_SOCKET and CRI_PROTO name the socket and api.proto. test/lab/run-lab bundles this for the lab.
import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

type Call = (request: object, options: { deadline: number }, done: Done) => void;
type Done = (error: ServiceError | null, answer?: object) => void;
type Service = new (address: string, credentials: unknown) => Client & Record<string, Call | undefined>;

const deadlineMs = 300_000;

function main([method = '', request = '{}']: string[]): void {
  const service = openServices().find(candidate => candidate[method] !== undefined);
  const call = service?.[method];
  if (service === undefined || call === undefined) throw new Error(`the CRI has no ${method}`);
  call.call(service, JSON.parse(request), { deadline: Date.now() + deadlineMs }, (error, answer) => {
    service.close();
    if (error !== null) return fail(error);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
}

function openServices(): InstanceType<Service>[] {
  const proto = loadSync(process.env.CRI_PROTO ?? '/usr/share/cri-api/api.proto', {
    keepCase: true,
    enums: String,
  });
  // An object of packages, by their names in api.proto: `package runtime.v1`.
  const { runtime } = loadPackageDefinition(proto) as unknown as {
    runtime: { v1: { RuntimeService: Service; ImageService: Service } };
  };
  const socket = process.env.CRI_SOCKET ?? '/run/containerd/containerd.sock';
  return [runtime.v1.RuntimeService, runtime.v1.ImageService].map(
    service => new service(`unix://${socket}`, credentials.createInsecure()),
  );
}

function fail(error: Error): void {
  process.stderr.write(`cri: ${error.message}\n`);
  process.exitCode = 1;
}

main(process.argv.slice(2));
