import { Component, OnInit, OnDestroy, inject } from '@angular/core';
import { Socket as NgSocket } from 'ngx-socket-io';
import { io, Socket } from 'socket.io-client';
import { SocketService } from '../services/socket.service';
@Component({
  selector: 'app-list',
  template: '<p></p>',
})
export class ListComponent implements OnInit, OnDestroy {
  private socket!: Socket;
  constructor(private svc: SocketService) {
    this.socket = io('http://x'); // expect: client-in-handler
  }
  ngOnInit(): void {
    this.socket.on('item', (i) => this.items.push(i));
    this.svc.socket.on('x', (i) => this.items.push(i)); // expect: listener-without-cleanup
    this.svc.socket.on('y', this.onY);
  }
  ngOnDestroy(): void {
    this.svc.socket.off('y', this.onY);
  }
}

@Component({ selector: 'app-clock', template: '<p></p>' })
export class ClockComponent {
  private readonly live = inject(NgSocket);
  ngOnInit() {
    this.live.on('tick', () => this.count++); // expect: listener-without-cleanup
  }
}
